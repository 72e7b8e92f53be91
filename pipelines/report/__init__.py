"""The report: one HTML page made of the published file, and of nothing else."""
