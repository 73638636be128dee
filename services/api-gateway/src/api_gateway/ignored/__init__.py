"""What of a request nothing reads: said to whoever sent it, or refused where they ask for that."""
