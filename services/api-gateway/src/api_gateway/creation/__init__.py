"""Creating a row and starting its run."""
