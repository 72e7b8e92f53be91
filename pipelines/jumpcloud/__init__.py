"""The JumpCloud API client: one request, one response. `extract/paginator.py` reads lists."""
