"""What clients send and get for each of the eleven task types."""
