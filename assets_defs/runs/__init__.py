"""Runs as Dagster records them, and what each step of a run needs."""
