"""Data contract: the published tables, views and macros."""
