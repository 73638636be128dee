"""Upscaling of pictures, by Lanczos or Real-ESRGAN."""
