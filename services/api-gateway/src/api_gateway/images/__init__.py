"""Pictures from outside: what is let in, and how they are read out of requests."""
