"""The steps of preprocessing: one module for each kind of transform."""
