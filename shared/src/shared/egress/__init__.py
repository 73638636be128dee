"""Requests to addresses that strangers name: none of them may reach what is ours."""
