"""HTTP as every provider with a queue needs it: one paid POST, polling, limits, responses."""
