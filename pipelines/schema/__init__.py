"""The data contract: tables, views and macros that are published."""
