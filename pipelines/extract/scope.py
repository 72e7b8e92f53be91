"""The endpoints, targets and devices that a pull reads."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.config.integration import Integration
from pipelines.jumpcloud.custom_attributes import request_attributes
from pipelines.jumpcloud.endpoints import (
    DIRECT_BINDINGS,
    ENDPOINTS,
    SYSTEMS_ASSOCIATIONS,
    Endpoint,
    ListId,
)


@dataclass(frozen=True)
class Scope:
    """What a pull reads.

    Attributes:
        endpoints: endpoints.
        targets: types of association targets.
        devices: systems to read the direct bindings of; None for all of them.
        custom_attributes: names of the custom attributes of users and systems.
    """

    endpoints: Sequence[Endpoint]
    targets: Sequence[str]
    devices: frozenset[str] | None = None
    custom_attributes: Sequence[str] = ()

    def to_request(self, endpoint: Endpoint) -> Endpoint:
        """Return the endpoint with the field of custom attributes, if any are named."""
        return request_attributes(endpoint, self.custom_attributes)

    def includes(self, list_id: ListId) -> bool:
        """Return False for the direct bindings of a system that are not to be read."""
        is_device = list_id.endpoint == SYSTEMS_ASSOCIATIONS.name
        return self.devices is None or not is_device or list_id.parent_id in self.devices


def select_endpoints(integration: Integration) -> list[Endpoint]:
    """Return the endpoints that the settings include; skipping one also skips its child lists.

    A pull reads one of the two lists of users' direct bindings (`choose_binding_list`).
    """
    skipped: set[str] = set(integration.skip_endpoints)
    if integration.direct_bindings == "off":
        skipped.update(endpoint.name for endpoint in DIRECT_BINDINGS)
    return [
        endpoint
        for endpoint in ENDPOINTS.values()
        if not skipped & {endpoint.name, endpoint.parent}
        and (integration.details or not endpoint.is_detail)
    ]
