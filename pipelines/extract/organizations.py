"""Check that the records of a pull are of the organization in the settings.

A key of several organizations may be answered with the records of another one.
"""

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.config.integration import Integration
from pipelines.jumpcloud.endpoints import ORGANIZATIONS, SYSTEMGROUPS, SYSTEMS
from pipelines.jumpcloud.errors import WrongOrganizationError

# Fields that name the organization of a record; they are missing on old records.
ORGANIZATION_FIELDS = {SYSTEMGROUPS.name: "organizationObjectId", SYSTEMS.name: "organization"}
_OBJECT_ID = re.compile("[0-9a-fA-F]{24}")


def check_organization(integration: Integration, tables: Mapping[str, pa.Table]) -> str | None:
    """Check that the key can read the organization in the settings, and that all records are its.

    Args:
        integration: settings of the integration.
        tables: raw tables of the endpoints that were read; `organizations` lists all that the key
            can see.

    Returns:
        Its id; without `org_id`, the only one that the key sees or that the records name, if any.

    Raises:
        WrongOrganizationError: the key cannot see the organization of `org_id`, or sees several and
            `org_id` is not set, or there are records of another organization.
    """
    visible: list[str] = []
    if ORGANIZATIONS.name in tables:
        visible = [str(org_id) for org_id in tables[ORGANIZATIONS.name].column("_id").to_pylist()]
        _check_visible(integration, visible)
    found = _find_organizations(tables)
    named = sorted(frozenset[str]().union(*found.values()))
    if not integration.org_id:
        if len(named) > 1:
            raise WrongOrganizationError(
                f"integration {integration.name!r}: the records are of {len(named)} organizations; "
                f"set org_id to one of: {', '.join(named)}"
            )
        return next(iter([*visible, *named]), None)
    for endpoint, ids in found.items():
        others = sorted(ids - {integration.org_id})
        if others:
            raise WrongOrganizationError(
                f"integration {integration.name!r}: {endpoint} of the organization "
                f"{', '.join(others)} came instead of org_id {integration.org_id}. Check org_id "
                "and the key"
            )
    return integration.org_id


def explain_refusal(refusal: str, integration: Integration, tables: Mapping[str, pa.Table]) -> str:
    """Return a message with the promise that a pull cannot keep without the list of organizations.

    Args:
        refusal: message of the refusal.
        integration: settings of the integration.
        tables: raw tables of the endpoints that were read.
    """
    named = sorted(frozenset[str]().union(*_find_organizations(tables).values()))
    if not named:
        proof = "nothing shows that the records are of the right organization, for none names its"
    elif integration.org_id:
        proof = f"it is proven by the records alone that they are of {integration.org_id}"
    else:
        proof = f"the records name {named[0]}; set org_id to have that checked"
    return f"{refusal}. The run goes on without the name of the organization: {proof}"


def _find_organizations(tables: Mapping[str, pa.Table]) -> dict[str, frozenset[str]]:
    """Return the ids of the organizations that the records of each endpoint name."""
    found = {}
    for endpoint in ORGANIZATION_FIELDS.keys() & tables.keys():
        values = pc.unique(tables[endpoint].column(ORGANIZATION_FIELDS[endpoint])).to_pylist()
        ids = (str(value).lower() for value in values if _OBJECT_ID.fullmatch(str(value)))
        found[endpoint] = frozenset(ids)
    return found


def _check_visible(integration: Integration, ids: Sequence[str]) -> None:
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
