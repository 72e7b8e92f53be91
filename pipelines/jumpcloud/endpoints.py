"""The endpoints that a pull reads, as data: path, order, fields and unique key.

The Arrow schema of an endpoint is its allow-list: its columns are the requested `fields`, and
nothing else of a response is kept, at any depth. A secret that the API adds tomorrow has no column.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import pyarrow as pa

TEXT = pa.string()
FLAG = pa.bool_()


def _object(**fields: pa.DataType) -> pa.DataType:
    """Return the type of a JSON object. Other fields of the object are dropped."""
    return pa.struct(list(fields.items()))


SUDO = _object(enabled=FLAG, withoutPassword=FLAG)
# A RADIUS reply may hold a password, and a custom attribute anything: neither is read.
ATTRIBUTES = _object(
    sudo=SUDO,
    ldapGroups=pa.list_(_object(name=TEXT)),
    posixGroups=pa.list_(_object(id=pa.int64(), name=TEXT)),
)
SUDO_ONLY = _object(sudo=SUDO)
GRAPH_OBJECT = _object(id=TEXT, type=TEXT)
PATHS = pa.list_(pa.list_(_object(attributes=SUDO_ONLY, to=GRAPH_OBJECT)))


@dataclass(frozen=True)
class Endpoint:
    """One list of the API.

    Attributes:
        name: name of the raw table and of the Dagster asset.
        path: path below the host; `{id}` is the id of the parent.
        description: meaning of one record.
        body: `results`, an object with `results` and `totalCount` (v1), or `array`, a bare array
            with the header `x-total-count` (v2).
        schema: fields read from a record, in JumpCloud's spelling.
        key: path of the field, or fields, that make a record unique within its list.
        scope: minimal OAuth scope that may read it, by JumpCloud's specification of 2023.
        parameters: query parameters, in addition to `limit` and `skip`.
        parent: endpoint with one such list for each of its records, or empty.
        parent_column: raw column of the parent's id.
        is_detail: True if `details = false` skips it.
        sorted_by_key: True if the list is sorted by the unique key.
        takes_org_id: True if the header `x-org-id` may be sent.
        record_path: path of one record, to check that a parent still exists.
        may_have_holes: True if the total counts deleted records that are not sent
            (docs/jumpcloud-api.md, section 11).
        search_path: path of the POST search with larger pages of the same records, or empty.
    """

    name: str
    path: str
    description: str
    body: Literal["results", "array"]
    schema: pa.Schema
    key: tuple[tuple[str, ...], ...]
    scope: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    parent: str = ""
    parent_column: str = ""
    is_detail: bool = True
    sorted_by_key: bool = False
    takes_org_id: bool = True
    record_path: str = ""
    may_have_holes: bool = False
    search_path: str = ""

    @cached_property
    def table_schema(self) -> pa.Schema:
        """Return the columns of the raw table: the parent's id, if any, then the fields."""
        if not self.parent:
            return self.schema
        return pa.schema([pa.field(self.parent_column, TEXT), *self.schema])


def _v1(name: str, description: str, scope: str, columns: dict[str, pa.DataType]) -> Endpoint:
    """Return a v1 list, sorted by id. Its fields are separated by spaces; commas are ignored."""
    schema = pa.schema({"_id": TEXT, **columns})
    return Endpoint(
        name=name,
        path=f"/api/{name}",
        description=description,
        body="results",
        schema=schema,
        key=(("_id",),),
        scope=scope,
        parameters={"sort": "_id", "fields": " ".join(schema.names)},
        sorted_by_key=True,
        takes_org_id=name != "organizations",
        record_path=f"/api/{name}/{{id}}",
        search_path=f"/api/search/{name}" if name in {"systems", "systemusers"} else "",
    )


ORGANIZATIONS = _v1(
    "organizations",
    "Organization that the key reads",
    "organizations.readonly",
    {"displayName": TEXT},
)

_GROUP_COLUMNS = pa.schema(
    {
        "id": TEXT,
        "name": TEXT,
        "type": TEXT,
        "description": TEXT,
        "email": TEXT,
        "membershipMethod": TEXT,
        "organizationObjectId": TEXT,
    }
)
SYSTEMGROUPS = Endpoint(
    name="systemgroups",
    path="/api/v2/systemgroups",
    description="System group (device group)",
    body="array",
    schema=_GROUP_COLUMNS,
    key=(("id",),),
    scope="groups.readonly",
    # It is not known if v2 sorts by id. JumpCloud's own tools sort groups by name.
    parameters={"sort": "name", "fields": ",".join(_GROUP_COLUMNS.names)},
    is_detail=False,
    record_path="/api/v2/systemgroups/{id}",
)
SYSTEMGROUPS_MEMBERS = Endpoint(
    name="systemgroups_members",
    path="/api/v2/systemgroups/{id}/members",
    description="Direct membership of a system in a system group",
    body="array",
    schema=pa.schema({"to": GRAPH_OBJECT}),
    key=(("to", "type"), ("to", "id")),
    scope="systems.readonly",
    parent="systemgroups",
    parent_column="group_id",
    is_detail=False,
    may_have_holes=True,
)
SYSTEMGROUPS_USERS = Endpoint(
    name="systemgroups_users",
    path="/api/v2/systemgroups/{id}/users",
    description="User bound to a system group, with the paths that bind it",
    body="array",
    schema=pa.schema({"id": TEXT, "type": TEXT, "compiledAttributes": SUDO_ONLY, "paths": PATHS}),
    key=(("type",), ("id",)),
    scope="users.readonly",
    parent="systemgroups",
    parent_column="group_id",
    is_detail=False,
)
SYSTEMGROUPS_ASSOCIATIONS = Endpoint(
    name="systemgroups_associations",
    path="/api/v2/systemgroups/{id}/associations",
    description="Direct binding of a system group to a target",
    body="array",
    schema=pa.schema({"attributes": ATTRIBUTES, "to": GRAPH_OBJECT}),
    key=(("to", "type"), ("to", "id")),
    scope="groups.readonly",
    parent="systemgroups",
    parent_column="group_id",
    is_detail=False,
)

SYSTEMS = _v1(
    "systems",
    "Device with the state of its last check-in",
    "systems.readonly",
    {
        "hostname": TEXT,
        "displayName": TEXT,
        "os": TEXT,
        "osFamily": TEXT,
        "version": TEXT,
        "arch": TEXT,
        "serialNumber": TEXT,
        "agentVersion": TEXT,
        "active": FLAG,
        "created": TEXT,
        "lastContact": TEXT,
        "remoteIP": TEXT,
        "networkInterfaces": pa.list_(_object(name=TEXT, family=TEXT, address=TEXT, internal=FLAG)),
        "fde": _object(active=FLAG),
        "allowMultiFactorAuthentication": FLAG,
        "allowSshRootLogin": FLAG,
        "allowSshPasswordAuthentication": FLAG,
        "mdm": _object(vendor=TEXT),
        "primarySystemUser": _object(id=TEXT),
        "organization": TEXT,
        "policyStats": _object(total=pa.int64(), failed=pa.int64()),
    },
)
SYSTEMUSERS = _v1(
    "systemusers",
    "User",
    "users.readonly",
    {
        "username": TEXT,
        "email": TEXT,
        "displayname": TEXT,
        "firstname": TEXT,
        "lastname": TEXT,
        "state": TEXT,
        "activated": FLAG,
        "suspended": FLAG,
        "account_locked": FLAG,
        "mfa": _object(configured=FLAG),
        "totp_enabled": FLAG,
        "sudo": FLAG,
        "passwordless_sudo": FLAG,
        "department": TEXT,
        "jobTitle": TEXT,
        "company": TEXT,
        "location": TEXT,
        "employeeIdentifier": TEXT,
        "employeeType": TEXT,
        "manager": TEXT,
        "password_expired": FLAG,
        "password_never_expires": FLAG,
        "created": TEXT,
    },
)
# `config` holds certificates and private keys: it is not requested.
APPLICATIONS = _v1(
    "applications",
    "SSO application",
    "applications.readonly",
    {
        "name": TEXT,
        "displayName": TEXT,
        "displayLabel": TEXT,
        "sso": _object(type=TEXT),
        "ssoUrl": TEXT,
        "active": FLAG,
        "created": TEXT,
    },
)
APPLICATIONS_USERS = Endpoint(
    name="applications_users",
    path="/api/v2/applications/{id}/users",
    description="User bound to an application, with the paths that bind it",
    body="array",
    schema=pa.schema({"id": TEXT, "type": TEXT, "paths": PATHS}),
    key=(("type",), ("id",)),
    scope="users.readonly",
    parent="applications",
    parent_column="application_id",
)

ENDPOINTS = {
    endpoint.name: endpoint
    for endpoint in (
        ORGANIZATIONS,
        SYSTEMGROUPS,
        SYSTEMGROUPS_MEMBERS,
        SYSTEMGROUPS_USERS,
        SYSTEMGROUPS_ASSOCIATIONS,
        SYSTEMS,
        SYSTEMUSERS,
        APPLICATIONS,
        APPLICATIONS_USERS,
    )
}


@dataclass(frozen=True)
class ListId:
    """Identifies a list by endpoint, parent's id or '', and target of associations or ''."""

    endpoint: str
    parent_id: str = ""
    target: str = ""

    def __str__(self) -> str:
        """Return the nonempty parts, joined by slashes."""
        return "/".join(part for part in (self.endpoint, self.parent_id, self.target) if part)
