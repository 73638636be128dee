"""How fast the API answers, and how much memory uploads take: `make bench-api`.

One gateway process on a stack of its own; the baseline, a bare route, in a process beside it.
"""
