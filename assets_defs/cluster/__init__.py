"""Runs on the workers of several machines, through Celery: see docs/cluster.md."""
