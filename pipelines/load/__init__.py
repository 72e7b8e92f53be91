"""Parquet files, history and changes, and the published DuckDB file."""
