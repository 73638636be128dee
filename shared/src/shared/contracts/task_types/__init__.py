"""Everything that is known of a task type outside its own code: one module and one row a type."""
