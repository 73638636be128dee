"""The table of task types: one module with one row for each type."""
