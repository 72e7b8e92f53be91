"""Runs on several machines: the Celery launcher and worker, and PostgreSQL."""
