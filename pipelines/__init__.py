"""The inventory's engine: extract from JumpCloud, transform to tables, load to Parquet and DuckDB.

Plain Python; nothing here knows of Dagster.
"""
