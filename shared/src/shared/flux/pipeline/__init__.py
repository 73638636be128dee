"""Text to picture in four blocks: encode, prepare, denoise, decode."""
