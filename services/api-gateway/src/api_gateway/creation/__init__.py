"""Creation of rows and start of their runs."""
