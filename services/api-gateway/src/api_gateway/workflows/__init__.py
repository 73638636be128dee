"""Workflows, directed acyclic graphs of tasks."""
