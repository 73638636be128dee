"""Kinds of models: what the engine must know of each. A new kind is a new file here."""
