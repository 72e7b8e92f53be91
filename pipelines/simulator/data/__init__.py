"""The simulated organization: records and edges, generated from a seed."""
