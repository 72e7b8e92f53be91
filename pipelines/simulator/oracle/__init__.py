"""The expected tables and findings, computed without the code under test."""
