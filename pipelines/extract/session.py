"""The session for an integration: its key, its host, its network."""

import requests
from requests.auth import AuthBase

from pipelines.config.credentials import Credentials, ServiceAccount
from pipelines.config.integration import Integration
from pipelines.errors import SettingsError
from pipelines.extract.oauth import ServiceAccountAuth
from pipelines.extract.transport import ApiKeyAuth, Network, read_only_session


def open_session(integration: Integration, credentials: Credentials) -> requests.Session:
    """A session that can read the integration's host and do nothing else.

    Raises:
        SettingsError: the CA bundle cannot be used.
    """
    network = Network(integration.proxy, integration.ca_bundle)
    try:
        network.check()
    except SettingsError as error:
        raise SettingsError(f"integration {integration.name!r}: {error}") from None
    auth: AuthBase
    if isinstance(credentials, ServiceAccount):
        auth = ServiceAccountAuth(credentials, integration.token_url, network)
    else:
        auth = ApiKeyAuth(credentials.key)
    return read_only_session(
        integration.url, auth, connections=integration.max_in_flight, network=network
    )
