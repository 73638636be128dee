"""Conversion of tasks to the input of fal apps, by the table of apps. Pure functions."""
