"""Events on their way to clients: when they are sent, how they are signed, with which keys."""
