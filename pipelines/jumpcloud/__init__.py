"""The JumpCloud API client: one request, one response."""
