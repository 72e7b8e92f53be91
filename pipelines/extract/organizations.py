"""The organizations that a key reads."""

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

# Where the records of an endpoint say which organization owns them; old ones do not.
OWNERS = {SYSTEMGROUPS.name: "organizationObjectId", SYSTEMS.name: "organization"}
_OBJECT_ID = re.compile("[0-9a-fA-F]{24}")


def check_organization_visible(integration: Integration, organizations: pa.Table) -> None:
    """A key of several organizations may be answered for another one than meant.

    Args:
        integration: whose settings say which is meant.
        organizations: all that the key sees.

    Raises:
        WrongOrganizationError: it does not see the one that is set, or none of several is set.
    """
    ids = [str(each) for each in organizations.column("_id").to_pylist()]
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


def check_record_organizations(integration: Integration, tables: Mapping[str, pa.Table]) -> None:
    """Look at whose records came.

    Args:
        integration: whose settings say which organization is meant.
        tables: raw tables, by endpoint.

    Raises:
        WrongOrganizationError: records of another organization are among them.
    """
    if not integration.org_id:
        return
    for endpoint in OWNERS.keys() & tables.keys():
        owners = pc.unique(tables[endpoint].column(OWNERS[endpoint])).to_pylist()
        ids = {str(each).lower() for each in owners if _OBJECT_ID.fullmatch(str(each))}
        others = sorted(ids - {integration.org_id})
        if others:
            raise WrongOrganizationError(
                f"integration {integration.name!r}: {endpoint} of the organization "
                f"{', '.join(others)} came instead of org_id {integration.org_id}; refused"
            )


def read_organizations(client: JumpCloudClient) -> pa.Table:
    """The whole list, with the columns of the endpoint `organizations`.

    Raises:
        ExtractError: it could not be read to its end.
    """
    list_id = ListId(ORGANIZATIONS.name)
    reading = OffsetPaginator(list_id, PAGE_SIZE, is_sorted=ORGANIZATIONS.sorted_by_key)
    offsets = reading.start()
    while offsets:
        skip = offsets.pop()
        answer = client.send(page_request(ORGANIZATIONS, list_id, skip, reading.limit))
        offsets += reading.accept(parse_page(ORGANIZATIONS, "", answer, skip, reading.limit))
    return pa.Table.from_batches(reading.rows(), ORGANIZATIONS.table_schema)
