"""A loopback server that speaks the providers' wire formats; see README.md."""
