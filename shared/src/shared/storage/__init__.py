"""Object storage: the protocol and its S3 implementation."""
