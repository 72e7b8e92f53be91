"""Deprecated import path: use `assets_defs.celery`."""
