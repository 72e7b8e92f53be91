"""The simulated organization: its records, generated from a seed."""
