"""Deprecated import path: use `from pipelines import open_inventory`."""
