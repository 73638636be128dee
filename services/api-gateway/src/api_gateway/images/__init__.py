"""Pictures that come in with requests."""
