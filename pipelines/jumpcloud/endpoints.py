"""The endpoints that a pull reads, as data: path, order, fields and unique key.

The Arrow schema of an endpoint is its allow-list: its columns are the requested `fields`, and
nothing else of a response is kept, at any depth. A secret that the API adds tomorrow has no column.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import pyarrow as pa

from pipelines.jumpcloud.fields import (
    ATTRIBUTES,
    CUSTOM_ATTRIBUTES,
    FLAG,
    GRAPH_OBJECT,
    NETWORK_INTERFACES,
    PATHS,
    SUDO_ONLY,
    TEXT,
    flags,
    json_object,
    numbers,
    requested_fields,
    texts,
)


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
        scope: minimal OAuth scope that may read it, by JumpCloud's specification of 2026-08-21.
        parameters: query parameters, in addition to `limit` and `skip`.
        parent: endpoint with one such list for each of its records, or empty.
        parent_column: raw column of the parent's id.
        is_detail: True if `details = false` skips it.
        sorted_by_key: True if the list is sorted by the unique key.
        takes_org_id: True if the header `x-org-id` may be sent.
        record_path: path of one record, to check that a parent still exists.
        may_have_holes: True if the total counts deleted records that are not sent
            (docs/reference/jumpcloud-api.md, section 11).
        search_path: path of the POST search with larger pages of the same records, or empty.
        is_optional: True if a pull goes on without it where the key's role may not read it.
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
    is_optional: bool = False

    @property
    def needs_total(self) -> bool:
        """Return True if only an announced total shows that a list is complete."""
        return self.may_have_holes or self.body == "results"

    @cached_property
    def table_schema(self) -> pa.Schema:
        """Return the columns of the raw table: the parent's id, if any, then the fields."""
        if not self.parent:
            return self.schema
        return pa.schema([pa.field(self.parent_column, TEXT), *self.schema])


def _v1(
    name: str,
    description: str,
    scope: str,
    columns: dict[str, pa.DataType],
    *,
    is_optional: bool = False,
) -> Endpoint:
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
        parameters={"sort": "_id", "fields": requested_fields(schema)},
        sorted_by_key=True,
        takes_org_id=name != "organizations",
        record_path=f"/api/{name}/{{id}}",
        search_path=f"/api/search/{name}" if name in {"systems", "systemusers"} else "",
        is_optional=is_optional,
    )


def _named_list(
    name: str,
    description: str,
    scope: str,
    columns: dict[str, pa.DataType],
    *,
    is_optional: bool = True,
) -> Endpoint:
    """Return a v2 list of records with names."""
    schema = pa.schema({"id": TEXT, "name": TEXT, **columns})
    return Endpoint(
        name=name,
        path=f"/api/v2/{name}",
        description=description,
        body="array",
        schema=schema,
        key=(("id",),),
        scope=scope,
        # It is not known if v2 sorts by id. JumpCloud's own tools sort groups by name.
        parameters={"sort": "name", "fields": ",".join(schema.names)},
        is_detail=is_optional,
        record_path=f"/api/v2/{name}/{{id}}",
        is_optional=is_optional,
    )


# Raw column of the parent's id in a list of graph objects.
_PARENT_COLUMNS = {
    "systemgroups": "group_id",
    "applications": "application_id",
    "usergroups": "user_group_id",
    "systemusers": "user_id",
    "systems": "system_id",
}


def _graph_list(
    parent: str,
    name: str,
    description: str,
    scope: str,
    columns: dict[str, pa.DataType],
    *,
    target: str = "",
) -> Endpoint:
    """Return a v2 list of the graph objects that belong to a record of the parent.

    With a target, only objects of this type are read.
    """
    path = "users" if parent == "systemusers" else parent
    return Endpoint(
        name=f"{path}_{name}",
        path=f"/api/v2/{path}/{{id}}/{name}",
        description=description,
        body="array",
        schema=pa.schema(columns),
        key=(("to", "type"), ("to", "id")) if "to" in columns else (("type",), ("id",)),
        scope=scope,
        parameters={"targets": target} if target else {},
        parent=parent,
        parent_column=_PARENT_COLUMNS[parent],
        is_detail=parent != "systemgroups",
        may_have_holes=name == "members",
        is_optional=parent not in {"systemgroups", "applications"},
    )


ORGANIZATIONS = _v1(
    "organizations",
    "Organization that the key reads",
    "organizations.readonly",
    texts("displayName"),
)

_RULE = "memberQuery memberQueryExemptions memberQueryErrorFlags"
SYSTEMGROUPS = _named_list(
    "systemgroups",
    "System group (device group)",
    "groups.readonly",
    texts(f"type description email membershipMethod organizationObjectId {_RULE}"),
    is_optional=False,
)
SYSTEMGROUPS_MEMBERS = _graph_list(
    "systemgroups",
    "members",
    "Direct membership of a system in a system group",
    "systems.readonly",
    {"to": GRAPH_OBJECT},
)
SYSTEMGROUPS_USERS = _graph_list(
    "systemgroups",
    "users",
    "User bound to a system group, with the paths that bind it",
    "users.readonly",
    {**texts("id type"), "compiledAttributes": SUDO_ONLY, "paths": PATHS},
)
SYSTEMGROUPS_ASSOCIATIONS = _graph_list(
    "systemgroups",
    "associations",
    "Direct binding of a system group to a target",
    "associations.groups.readonly",
    {"attributes": ATTRIBUTES, "to": GRAPH_OBJECT},
)

SYSTEMS = _v1(
    "systems",
    "Device with the state of its last check-in",
    "systems.readonly",
    {
        **texts("hostname displayName os osFamily version arch serialNumber agentVersion"),
        "active": FLAG,
        **texts("created lastContact remoteIP"),
        "networkInterfaces": NETWORK_INTERFACES,
        "fde": json_object(active=FLAG, keyPresent=FLAG),
        **flags("allowMultiFactorAuthentication allowSshRootLogin allowSshPasswordAuthentication"),
        "mdm": json_object(
            **texts("vendor enrollmentType lostModeStatus"), **flags("dep userApproved")
        ),
        "primarySystemUser": json_object(id=TEXT),
        "organization": TEXT,
        "policyStats": json_object(
            **numbers("total failed pending success duplicate unsupportedOs")
        ),
        "modifySSHDConfig": FLAG,
        "hwVendor": TEXT,
        "osVersionDetail": json_object(
            **texts("releaseName distributionName"),
            **numbers("majorNumber minorNumber patchNumber"),
        ),
        "domainInfo": json_object(partOfDomain=FLAG, domainName=TEXT),
        **flags("azureAdJoined hasServiceAccount"),
        "serviceAccountState": json_object(
            **flags("hasSecureToken passwordODValid passwordAPFSValid")
        ),
        "systemInsights": json_object(state=TEXT),
        "userMetrics": pa.list_(
            json_object(userName=TEXT, **flags("admin managed suspended secureTokenEnabled"))
        ),
        "attributes": CUSTOM_ATTRIBUTES,
    },
)
SYSTEMUSERS = _v1(
    "systemusers",
    "User",
    "users.readonly",
    {
        **texts("username email displayname firstname lastname state"),
        **flags("activated suspended account_locked"),
        "mfa": json_object(configured=FLAG, exclusion=FLAG, exclusionUntil=TEXT),
        **flags("totp_enabled sudo passwordless_sudo"),
        **texts("department jobTitle company location employeeIdentifier employeeType manager"),
        **flags("password_expired password_never_expires"),
        "created": TEXT,
        "mfaEnrollment": json_object(
            **texts("overallStatus totpStatus webAuthnStatus pushStatus smsStatus jcGoStatus")
        ),
        "systemUsername": TEXT,
        "unix_uid": pa.int64(),
        **texts("password_date password_expiration_date"),
        "admin": json_object(roleName=TEXT),
        **texts("creationSource external_source_type costCenter alternateEmail"),
        "attributes": CUSTOM_ATTRIBUTES,
    },
)
# `config` holds certificates and private keys: it is not requested.
APPLICATIONS = _v1(
    "applications",
    "SSO application",
    "applications.readonly",
    {
        **texts("name displayName displayLabel"),
        "sso": json_object(type=TEXT, idpCertExpirationAt=TEXT),
        "ssoUrl": TEXT,
        "active": FLAG,
        "created": TEXT,
    },
)
APPLICATIONS_USERS = _graph_list(
    "applications",
    "users",
    "User bound to an application, with the paths that bind it",
    "users.readonly",
    {**texts("id type"), "paths": PATHS},
)

USERGROUPS = _named_list(
    "usergroups",
    "User group",
    "groups.readonly",
    {**texts(f"type description membershipMethod {_RULE}"), "attributes": SUDO_ONLY},
)
USERGROUPS_MEMBERS = _graph_list(
    "usergroups",
    "members",
    "Direct membership of a user in a user group",
    "users.readonly",
    {"to": GRAPH_OBJECT},
)
_BINDING = {"attributes": SUDO_ONLY, "to": GRAPH_OBJECT}
USERGROUPS_ASSOCIATIONS = _graph_list(
    "usergroups",
    "associations",
    "Direct binding of a user group to a system",
    "associations.groups.readonly",
    _BINDING,
    target="system",
)
# Both lists have the same bindings: a pull reads the one with fewer parents.
USERS_ASSOCIATIONS = _graph_list(
    "systemusers",
    "associations",
    "Direct binding of a user to a system",
    "associations.users.readonly",
    _BINDING,
    target="system",
)
SYSTEMS_ASSOCIATIONS = _graph_list(
    "systems",
    "associations",
    "Direct binding of a system to a user",
    "associations.systems.readonly",
    _BINDING,
    target="user",
)
DIRECT_BINDINGS = (USERGROUPS_ASSOCIATIONS, USERS_ASSOCIATIONS, SYSTEMS_ASSOCIATIONS)

POLICIES = _named_list(
    "policies",
    "Policy",
    "systems.readonly",
    {"template": json_object(**texts("name osMetaFamily"))},
)
POLICYGROUPS = _named_list("policygroups", "Policy group", "groups.readonly", texts("description"))
# `command` holds the script, which may hold secrets: it is not requested.
COMMANDS = _v1(
    "commands",
    "Command",
    "commands.readonly",
    {**texts("name commandType launchType trigger"), "sudo": FLAG},
    is_optional=True,
)
# `sharedSecret` is not requested.
RADIUSSERVERS = _v1(
    "radiusservers",
    "RADIUS server",
    "radius.readonly",
    texts("name networkSourceIp"),
    is_optional=True,
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
        USERGROUPS,
        USERGROUPS_MEMBERS,
        USERGROUPS_ASSOCIATIONS,
        USERS_ASSOCIATIONS,
        SYSTEMS_ASSOCIATIONS,
        POLICIES,
        POLICYGROUPS,
        COMMANDS,
        RADIUSSERVERS,
    )
}


@dataclass(frozen=True, slots=True)
class ListId:
    """Identifies a list by endpoint, parent's id or '', and target of associations or ''."""

    endpoint: str
    parent_id: str = ""
    target: str = ""

    def __str__(self) -> str:
        """Return the nonempty parts, joined by slashes."""
        return "/".join(part for part in (self.endpoint, self.parent_id, self.target) if part)
