"""Fields and parameters of a request that nothing reads: reported, or refused if it is strict."""
