"""Making pictures larger: by Lanczos, or by Real-ESRGAN."""
