"""The Dagster layer: thin definitions over `pipelines`, and the command line."""
