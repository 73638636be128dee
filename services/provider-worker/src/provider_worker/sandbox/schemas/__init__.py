"""Published inputs of the providers' apps, as tables, and their check."""
