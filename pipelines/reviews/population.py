"""Take the population of an access review from the published file."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from pipelines.errors import InventoryError
from pipelines.reviews.store import Kind, ListProof, Review
from pipelines.schema.graph import (
    SYSTEM_BINDINGS,
    USER_BINDINGS,
    USER_GROUP_BINDINGS,
    USER_GROUP_MEMBERSHIPS,
)
from pipelines.schema.reviews import REVIEW_ITEMS
from pipelines.sql import quoted

# Of each kind of target: the table with its rows, and the endpoint that proves them.
ROWS = {
    "application": ("application_users", "applications_users"),
    "system_group": ("system_group_users", "systemgroups_users"),
    "system": ("user_system_bindings", USER_BINDINGS),
    "user_group": ("user_group_members", USER_GROUP_MEMBERSHIPS),
    "all_systems": ("users", "systemusers"),
}
TARGETS = {
    "application": "application",
    "system": "device",
    "system_group": "devices of system group",
    "user_group": "devices of user group",
    "all_systems": "sudo on all devices",
}
# Columns of the published table that are known when a review is created.
STORED = [c.name for c in REVIEW_ITEMS.columns if not c.name.startswith(("integration", "review_"))]
STORED = STORED[: STORED.index("decision")]
# Of a person, as it was then; only the workbook has them.
PERSON = ("display_name", "email", "state", "department")

# The pulls that read each endpoint; two with the same bindings have one name.
READS = f"""
SELECT s.integration, s.snapshot_id, s.started_at,
    CASE proof.endpoint WHEN {quoted(SYSTEM_BINDINGS)} THEN {quoted(USER_BINDINGS)}
    ELSE proof.endpoint END AS endpoint
FROM snapshots s, unnest(from_json(s.completeness, '[{{"endpoint": "VARCHAR"}}]')) AS u(proof)
GROUP BY ALL
"""
_ACCESS = """
SELECT integration, user_id, 'application' AS target_type, application_id AS target_id,
    NULL::BIGINT AS device_count, direct,
    coalesce(via_user_group_names, via_user_group_ids) AS via_user_group_names,
    NULL::BOOLEAN AS sudo, NULL::BOOLEAN AS sudo_without_password,
    application_id || '/' || user_id AS row_id
FROM application_users
UNION ALL BY NAME
SELECT a.integration, a.user_id, 'system_group' AS target_type, a.group_id AS target_id,
    coalesce(g.system_count, 0) AS device_count, a.direct,
    coalesce(a.via_user_group_names, a.via_user_group_ids) AS via_user_group_names,
    a.sudo, a.sudo_without_password, a.group_id || '/' || a.user_id AS row_id
FROM system_group_users a LEFT JOIN system_groups g USING (integration, group_id)
UNION ALL BY NAME
SELECT integration, user_id, 'system' AS target_type, system_id AS target_id,
    1 AS device_count, TRUE AS direct, [] AS via_user_group_names, sudo, sudo_without_password,
    user_id || '/' || system_id AS row_id
FROM user_system_bindings
UNION ALL BY NAME
SELECT m.integration, m.user_id, 'user_group' AS target_type, user_group_id AS target_id,
    b.device_count, FALSE AS direct, [m.user_group_name] AS via_user_group_names,
    b.sudo, b.sudo_without_password, user_group_id || '/' || m.user_id AS row_id
FROM user_group_members m JOIN (
    SELECT integration, user_group_id, count(*) AS device_count, bool_or(sudo) AS sudo,
        bool_or(sudo_without_password) AS sudo_without_password
    FROM user_group_system_bindings WHERE {bound} GROUP BY ALL
) b USING (integration, user_group_id)
UNION ALL BY NAME
SELECT integration, user_id, 'all_systems' AS target_type, '' AS target_id,
    system_count AS device_count, TRUE AS direct, [] AS via_user_group_names, TRUE AS sudo,
    passwordless_sudo AS sudo_without_password, user_id AS row_id
FROM users WHERE global_admin
"""
_TARGET_NAMES = """
SELECT integration, 'application' AS target_type, application_id AS target_id,
    coalesce(display_label, name) AS target_name FROM applications
UNION ALL SELECT integration, 'system_group', group_id, name FROM system_groups
UNION ALL SELECT integration, 'user_group', user_group_id, name FROM user_groups
UNION ALL SELECT integration, 'system', system_id, coalesce(hostname, display_name) FROM systems
"""
# The last pull that found the row after one that did not; with a flag, the flag too.
_ADDED = """
SELECT integration, asset_type, asset_id AS row_id, max(observed_at) AS added_at FROM changes
WHERE change = 'added' OR (new_value = 'true'
    AND ((asset_type = 'users' AND column_name = 'global_admin') OR column_name = {flag}))
GROUP BY ALL
"""
# The first of the bindings of a user group that are there now; NULL if one may be older.
_BOUND = """
SELECT b.integration, b.user_group_id AS target_id,
    CASE WHEN count(*) = count(a.added_at) THEN min(a.added_at) END AS bound_at
FROM user_group_system_bindings b LEFT JOIN added a ON a.integration = b.integration
    AND a.asset_type = 'user_group_system_bindings'
    AND a.row_id = b.user_group_id || '/' || b.system_id
GROUP BY ALL
"""
_REVIEWERS = {
    "manager": ("coalesce(p.manager_id, '')", "coalesce(r.username, p.manager_id, 'no manager')"),
    "application": ("target_id", "target_name"),
    "system-group": ("target_id", "target_name"),
    "sudo": ("''", "'sudo'"),
}
_CHOSEN = {
    "manager": "TRUE",
    "application": "target_type = 'application'",
    "system-group": "target_type = 'system_group'",
    "sudo": "sudo",
}
_POPULATION = """
WITH reads AS ({reads}), access AS ({access}), targets AS ({targets}), added AS ({added}),
row_tables(target_type, asset_type, endpoint) AS (VALUES {row_tables}), bound AS ({bound_since}),
first_reads AS (SELECT endpoint, min(started_at) AS read_at FROM reads
    WHERE integration = {integration} GROUP BY endpoint),
found AS (
    SELECT a.*, coalesce(n.target_name, nullif(a.target_id, ''), 'all devices') AS target_name,
        greatest(d.added_at, b.bound_at) AS added_at, f.read_at, u.manager_id,
        coalesce(u.username, a.user_id) AS username, {person}
    FROM access a JOIN row_tables t USING (target_type)
    LEFT JOIN first_reads f USING (endpoint)
    LEFT JOIN targets n USING (integration, target_type, target_id)
    LEFT JOIN added d USING (integration, asset_type, row_id)
    LEFT JOIN bound b ON a.target_type = 'user_group' AND b.integration = a.integration
        AND b.target_id = a.target_id
    LEFT JOIN users u USING (integration, user_id)
    WHERE a.integration = {integration} AND {chosen}
),
reviewed AS (
    SELECT p.*, {reviewer_id} AS reviewer_id, {reviewer} AS reviewer
    FROM found p LEFT JOIN users r ON r.integration = p.integration AND r.user_id = p.manager_id
)
SELECT row_number() OVER (
        ORDER BY reviewer, reviewer_id, username, user_id, target_type, target_name, target_id
    ) AS item, *, coalesce(added_at, read_at) AS since, added_at IS NOT NULL AS since_is_known
FROM reviewed
"""


def freeze_population(
    connection: duckdb.DuckDBPyConnection, integration: str, kind: Kind
) -> Review:
    """Return what a review of the published snapshot is taken from, without its population.

    Args:
        connection: to the published file.
        integration: name of the integration.
        kind: property by which the population is divided among reviewers.
    """
    query = """
SELECT i.last_snapshot_id, s.started_at, i.head_sha256, coalesce(i.organization_name, ''),
    s.completeness
FROM integrations i JOIN snapshots s
    ON s.integration = i.integration AND s.snapshot_id = i.last_snapshot_id
WHERE i.integration = ?
"""
    found = connection.execute(query, [integration]).fetchall()
    if not found:
        raise InventoryError(
            f"{integration}: nothing is published. Run `jumpcloud-inventory run {integration}`"
        )
    snapshot_id, pulled_at, digest, organization, completeness = found[0]
    return Review(
        review_id="",
        kind=kind,
        created_at=datetime.now(UTC).replace(microsecond=0),
        snapshot_id=snapshot_id,
        pulled_at=pulled_at,
        manifest_sha256=digest,
        organization=organization,
        items=0,
        population_sha256="",
        completeness=tuple(map(ListProof.model_validate, json.loads(completeness))),
    )


def read_population(
    connection: duckdb.DuckDBPyConnection, integration: str, kind: Kind
) -> pa.Table:
    """Return one row for each access, numbered in the order of reviewers, people and targets.

    The columns are those of `review_items` without decisions, and those of `PERSON`.
    """
    names = [*STORED, *PERSON]
    columns = ", ".join(names)
    query = f"SELECT {columns} FROM ({_population(integration, kind)}) ORDER BY item"
    rows: pa.Table = connection.sql(query).to_arrow_table()
    return rows


def unread(endpoints: Iterable[str], kind: str) -> list[str]:
    """Return the kinds of access that a review cannot have: the pull did not read their lists.

    Args:
        endpoints: endpoints that the pull read.
        kind: property by which the population is divided among reviewers.
    """
    read = {USER_BINDINGS if name == SYSTEM_BINDINGS else name for name in endpoints}
    reviewed = {"application": ["application"], "system-group": ["system_group"]}.get(kind, ROWS)
    needed = {name: {ROWS[name][1]} for name in reviewed}
    if "user_group" in needed:
        needed["user_group"].add(USER_GROUP_BINDINGS)
    return [TARGETS[name] for name, lists in needed.items() if not lists <= read]


def _population(integration: str, kind: Kind) -> str:
    reviewer_id, reviewer = _REVIEWERS[kind]
    is_sudo = kind == "sudo"
    return _POPULATION.format(
        reads=READS,
        access=_ACCESS.format(bound="sudo" if is_sudo else "TRUE"),
        targets=_TARGET_NAMES,
        added=_ADDED.format(flag="'sudo'" if is_sudo else "NULL"),
        bound_since=_BOUND,
        row_tables=", ".join(f"('{kind}', '{row}', '{end}')" for kind, (row, end) in ROWS.items()),
        person=", ".join(f"u.{name}" for name in PERSON),
        integration=quoted(integration),
        chosen=_CHOSEN[kind],
        reviewer_id=reviewer_id,
        reviewer=reviewer,
    )
