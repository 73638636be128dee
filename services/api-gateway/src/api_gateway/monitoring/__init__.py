"""Monitoring of tasks, workflows, queues and workers."""
