"""Who may call the API: keys and service accounts, never from a seed."""

import secrets


class KeyHolder:
    """Has an API key, and a service account for OAuth 2's client credentials.

    Attributes:
        api_key: What `x-api-key` must say.
        client_id, client_secret: What the token endpoint must be told.
    """

    def __init__(self) -> None:
        self.api_key = f"jca_{secrets.token_hex(24)}"
        self.client_id = secrets.token_hex(12)
        self.client_secret = f"simsecret{secrets.token_hex(16)}"
