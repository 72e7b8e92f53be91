"""Generators of the documentation pages that are built from the code."""
