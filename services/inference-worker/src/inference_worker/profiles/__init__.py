"""How fast a model is made to run, and how little memory it takes: plans, and what they do."""
