"""Read the organizations of a key, and check that records are of the organization in the settings.

A key of several organizations may be answered with the records of another one.
"""

import re
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.config.integration import Integration
from pipelines.extract.paginator import OffsetPaginator
from pipelines.jumpcloud.client import JumpCloudClient
from pipelines.jumpcloud.endpoints import ORGANIZATIONS, SYSTEMGROUPS, SYSTEMS, ListId
from pipelines.jumpcloud.errors import WrongOrganizationError
from pipelines.jumpcloud.parsing import parse_page
from pipelines.jumpcloud.requests import PAGE_SIZE, page_request

# Fields that name the organization of a record; they are missing on old records.
ORGANIZATION_FIELDS = {SYSTEMGROUPS.name: "organizationObjectId", SYSTEMS.name: "organization"}
_OBJECT_ID = re.compile("[0-9a-fA-F]{24}")


def check_organization(integration: Integration, tables: Mapping[str, pa.Table]) -> None:
    """Check that the key can read the organization in the settings, and that all records are its.

    Args:
        integration: settings of the integration.
        tables: raw tables of the endpoints that were read; `organizations` lists all that the key
            can see.

    Raises:
        WrongOrganizationError: the key cannot see the organization of `org_id`, or sees several and
            `org_id` is not set, or there are records of another organization.
    """
    if ORGANIZATIONS.name in tables:
        _check_visible(integration, tables[ORGANIZATIONS.name])
    if not integration.org_id:
        return
    for endpoint in ORGANIZATION_FIELDS.keys() & tables.keys():
        values = pc.unique(tables[endpoint].column(ORGANIZATION_FIELDS[endpoint])).to_pylist()
        ids = {str(value).lower() for value in values if _OBJECT_ID.fullmatch(str(value))}
        others = sorted(ids - {integration.org_id})
        if others:
            raise WrongOrganizationError(
                f"integration {integration.name!r}: {endpoint} of the organization "
                f"{', '.join(others)} came instead of org_id {integration.org_id}. Check org_id "
                "and the key"
            )


def _check_visible(integration: Integration, organizations: pa.Table) -> None:
    ids = [str(org_id) for org_id in organizations.column("_id").to_pylist()]
    if integration.org_id and integration.org_id not in ids:
        raise WrongOrganizationError(
            f"integration {integration.name!r}: the key cannot see the organization of org_id "
            f"{integration.org_id}; it sees: {', '.join(ids) or 'none'}"
        )
    if not integration.org_id and len(ids) > 1:
        raise WrongOrganizationError(
            f"integration {integration.name!r}: the key sees {len(ids)} organizations; "
            f"set org_id to one of: {', '.join(ids)}"
        )


def read_organizations(client: JumpCloudClient) -> pa.Table:
    """Return all organizations of the client's key, with the columns of the raw table.

    Raises:
        ExtractError: the list could not be read to its end.
    """
    list_id = ListId(ORGANIZATIONS.name)
    paginator = OffsetPaginator(list_id, PAGE_SIZE, is_sorted=ORGANIZATIONS.sorted_by_key)
    offsets = paginator.start()
    while offsets:
        skip = offsets.pop()
        answer = client.send(page_request(ORGANIZATIONS, list_id, skip, paginator.limit))
        offsets += paginator.accept(parse_page(ORGANIZATIONS, "", answer, skip, paginator.limit))
    return pa.Table.from_batches(paginator.rows(), ORGANIZATIONS.table_schema)
