"""The assets: raw tables, contract tables, and what is published."""
