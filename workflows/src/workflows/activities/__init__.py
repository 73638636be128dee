"""Bookkeeping activities: they write the records."""
