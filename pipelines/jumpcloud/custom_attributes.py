"""Request and keep only the custom attributes that the settings name.

A custom attribute may hold anything, also a secret: no other one gets into a raw table.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from pipelines.jumpcloud.endpoints import Endpoint
from pipelines.jumpcloud.fields import CUSTOM_ATTRIBUTES
from pipelines.jumpcloud.responses import Json

ATTRIBUTES = "attributes"


def request_attributes(endpoint: Endpoint, names: Collection[str]) -> Endpoint:
    """Return the endpoint with the field of custom attributes, if any are named."""
    if not names or not _has_attributes(endpoint):
        return endpoint
    fields = f"{endpoint.parameters['fields']} {ATTRIBUTES}"
    return replace(endpoint, parameters={**endpoint.parameters, "fields": fields})


def keep_attributes(
    endpoint: Endpoint, records: list[dict[str, Json]], names: Collection[str]
) -> list[dict[str, Json]]:
    """Return the records with the named custom attributes only."""
    if not _has_attributes(endpoint):
        return records
    return [
        record | {ATTRIBUTES: _keep(record[ATTRIBUTES], names)} if ATTRIBUTES in record else record
        for record in records
    ]


def _has_attributes(endpoint: Endpoint) -> bool:
    return CUSTOM_ATTRIBUTES in endpoint.schema.types


def _keep(attributes: Json, names: Collection[str]) -> Json:
    if not isinstance(attributes, list):
        return None
    return [one for one in attributes if isinstance(one, Mapping) and one.get("name") in names]
