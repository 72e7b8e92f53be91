"""Pull of an organization: which lists to read, each read to its end."""
