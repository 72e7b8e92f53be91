"""Security findings: one view per finding, in the schema `findings` of the published file."""
