"""Workflows: steps that form a directed acyclic graph."""
