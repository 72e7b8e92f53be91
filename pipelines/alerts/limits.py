"""Limits of sending an alert, which must not delay what follows."""

TIMEOUT_SECONDS = (3.0, 5.0)  # to connect, and until the response begins
MAX_TRIES = 3
MAX_RETRY_SECONDS = 8.0
SENT = "sent"
