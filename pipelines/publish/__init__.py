"""The published DuckDB file: build it, extend it, read it, and rebuild it as of a past time."""
