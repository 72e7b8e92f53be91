"""The JumpCloud API client: requests, responses, and the pages of a list."""
