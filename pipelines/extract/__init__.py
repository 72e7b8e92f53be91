"""Pull of an organization: all lists in parallel, resumable, and checked."""
