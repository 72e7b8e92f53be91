"""The report: one HTML page generated from the published file alone."""
