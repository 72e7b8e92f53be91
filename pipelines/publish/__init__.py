"""The published DuckDB file: build, extend, read, travel in time."""
