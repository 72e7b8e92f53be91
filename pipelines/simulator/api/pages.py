"""Pages of an organization's lists as encoded JSON.

Rows are encoded once and cached until the organization changes, so that a page is cheap.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from pipelines.simulator.api.lists import Query, order, project, record_filter
from pipelines.simulator.data.organization import Organization
from pipelines.simulator.data.records import ABSENT, Attributes, Record, Target

STRIDE: Final = 7
"""Number of rows by which an unsorted list rotates between two requests."""

DEFAULT_SORT: Final = {"applications": ("name",)}
MAX_CACHED_LISTS: Final = 512

Path = list[tuple[Target, Attributes]]
"""Edges from a source to an object: the target and the attributes of each."""


class Page(NamedTuple):
    """The rows of one answer, and the announced length of the list."""

    rows: list[bytes]
    total: int


class Pages:
    """The list pages of one organization.

    Args:
        org: The organization; the caller of each method holds its lock.
    """

    def __init__(self, org: Organization) -> None:
        self._org = org
        self._version = -1
        self._orders: dict[tuple[str, tuple[str, ...], str, bool], list[Record]] = {}
        self._encoded: dict[tuple[str, tuple[str, ...]], dict[str, bytes]] = {}
        self._member_ids: dict[str, list[str]] = {}
        self._lists: dict[tuple[str, str], list[bytes]] = {}
        self._sources: dict[str, dict[Target, Attributes]] = {}

    def collection(
        self, name: str, query: Query, turn: int, *, unstable_ties: bool = False
    ) -> Page:
        """Return a page of a bulk list.

        Args:
            name: Attribute of the organization.
            query: The request.
            turn: Number of the request; without a sort, it decides where the list begins.
            unstable_ties: Swap records that sort equal with every turn.
        """
        self._drop_stale()
        query = replace(query, sort=query.sort or DEFAULT_SORT.get(name, ()))
        rows = self._ordered(name, query, backwards=unstable_ties and turn % 2 == 1)
        start = 0 if query.sort or not rows else turn * STRIDE % len(rows)
        wanted = range(query.skip, min(query.skip + query.limit, len(rows)))
        encoded = self._encoded.setdefault((name, query.fields), {})
        page = []
        for index in wanted:
            record = rows[(start + index) % len(rows)]
            row = encoded.get(record["id"])
            if row is None:
                row = encoded[record["id"]] = encode(project(record, query.fields))
            page.append(row)
        return Page(page, len(rows))

    def members(self, group_id: str, query: Query, *, paths: bool = False) -> Page:
        """Return a page of a group's members. Deleted ones count, but are not delivered.

        Args:
            group_id: The system group or user group.
            query: The request.
            paths: Deliver rows of `membership`, with paths, instead of rows of `members`.
        """
        self._drop_stale()
        kind = "user" if group_id in self._org.user_groups else "system"
        members = self._org.user_group_members if kind == "user" else self._org.members
        edges = members.get(group_id, {})
        if group_id not in self._member_ids:
            self._member_ids[group_id] = self._repeat(edges)
        ids = self._member_ids[group_id]
        make_row = _membership_row if paths else _member_row
        page = [
            make_row((kind, member_id), edges[member_id])
            for member_id in ids[query.skip : query.skip + query.limit]
            if member_id not in self._org.deleted
        ]
        return Page(page, len(ids))

    def users(self, source_id: str, query: Query) -> Page:
        """Return a page of the users who reach a system group or an application."""
        return self._cached_page((source_id, "users"), query, lambda: self._user_rows(source_id))

    def associations(self, source_id: str, targets: Sequence[str], query: Query) -> Page:
        """Return a page of the direct edges to targets of these types."""
        edges = self._direct_edges(source_id)

        def make_rows() -> list[bytes]:
            return [
                encode(_connection((kind, target_id), edges[kind, target_id]))
                for wanted in targets
                for kind, target_id in edges
                if kind == wanted
                for _ in self._repeat([target_id])
            ]

        return self._cached_page((source_id, ",".join(targets)), query, make_rows)

    def _direct_edges(self, source_id: str) -> dict[Target, Attributes]:
        """Return the direct edges of any object of the graph, from either end."""
        org = self._org
        if source_id in org.systems:
            self._drop_stale()
            if not self._sources:
                self._sources = _sources_by_system(org)
            return self._sources.get(source_id, {})
        if source_id in org.users or source_id in org.user_groups:
            bound = org.user_systems.get(source_id) or org.user_group_systems.get(source_id, {})
            return {("system", system_id): own for system_id, own in bound.items()}
        return org.bindings.get(source_id, {})

    def _cached_page(
        self, key: tuple[str, str], query: Query, make_rows: Callable[[], list[bytes]]
    ) -> Page:
        self._drop_stale()
        if key not in self._lists:
            while len(self._lists) >= MAX_CACHED_LISTS:
                del self._lists[next(iter(self._lists))]
            self._lists[key] = make_rows()
        rows = self._lists[key]
        return Page(rows[query.skip : query.skip + query.limit], len(rows))

    def _user_rows(self, source_id: str) -> list[bytes]:
        reached: dict[str, list[Path]] = {}
        for target, attributes in self._org.bindings.get(source_id, {}).items():
            kind, target_id = target
            step = (target, attributes)
            if kind == "user":
                reached.setdefault(target_id, []).append([step])
            elif kind == "user_group":
                for user_id, own in self._org.user_group_members.get(target_id, {}).items():
                    if user_id in self._org.deleted:
                        continue
                    reached.setdefault(user_id, []).append([step, (("user", user_id), own)])
        given = self._org.compiled
        return [
            _path_row(
                ("user", user_id),
                reached[user_id],
                given[pair] if pair in given else _compile(reached[user_id]),
            )
            for user_id in self._repeat(reached)
            for pair in [(source_id, user_id)]
        ]

    def _ordered(self, name: str, query: Query, *, backwards: bool) -> list[Record]:
        key = (name, query.sort, query.filters, backwards)
        if key not in self._orders:
            records: dict[str, Record] = getattr(self._org, name)
            kept = list(filter(record_filter(query.filters), records.values()))
            rows = order(reversed(kept) if backwards else kept, query.sort)
            if self._org.repeated:
                rows = [row for row in rows for _ in self._repeat([row["id"]])]
            self._orders[key] = rows
        return self._orders[key]

    def _repeat(self, ids: Iterable[str]) -> list[str]:
        repeated = self._org.repeated
        return [row_id for row_id in ids for _ in range(2 if row_id in repeated else 1)]

    def _drop_stale(self) -> None:
        if self._version != self._org.version:
            caches = (self._orders, self._encoded, self._member_ids, self._lists, self._sources)
            for cache in caches:
                cache.clear()
            self._version = self._org.version


_PLAIN_MEMBER: Final = b'{"attributes":null,"to":{"attributes":null,"id":"%s","type":"%s"}}'


def encode(value: object) -> bytes:
    """Return compact JSON with unescaped Unicode, as JumpCloud sends it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _sources_by_system(org: Organization) -> dict[str, dict[Target, Attributes]]:
    """Return the users and user groups that are bound to each system directly."""
    found: dict[str, dict[Target, Attributes]] = {}
    for kind, bound in (("user", org.user_systems), ("user_group", org.user_group_systems)):
        for source_id, systems in bound.items():
            for system_id, attributes in systems.items():
                found.setdefault(system_id, {})[kind, source_id] = attributes
    return found


def _member_row(target: Target, attributes: Attributes) -> bytes:
    if attributes is None:
        kind, member_id = target
        return _PLAIN_MEMBER % (member_id.encode(), kind.encode())
    return encode(_connection(target, attributes))


def _membership_row(target: Target, attributes: Attributes) -> bytes:
    return _path_row(target, [[(target, attributes)]], None)


def _connection(target: Target, attributes: Attributes) -> Record:
    kind, target_id = target
    own = {} if attributes is ABSENT else {"attributes": attributes}
    return own | {"to": {"attributes": None, "id": target_id, "type": kind}}


def _path_row(target: Target, paths: list[Path], compiled: Attributes) -> bytes:
    """Encode an object of the graph, with every path to it."""
    kind, object_id = target
    own = {} if compiled is ABSENT else {"compiledAttributes": compiled}
    steps = [[_connection(*step) for step in path] for path in paths]
    return encode({"id": object_id, "type": kind} | own | {"paths": steps})


def _compile(paths: list[Path]) -> Attributes:
    """Merge the attributes of all edges: join lists, and take the most sudo of any edge."""
    merged: Record = {}
    for attributes in (own for path in paths for _, own in path):
        if not isinstance(attributes, dict):
            continue
        for name, value in attributes.items():
            have = merged.get(name)
            if name == "sudo" and value is not None:
                merged[name] = _most_sudo(have, value)
            elif isinstance(value, list) and isinstance(have, list):
                merged[name] = have + [item for item in value if item not in have]
            elif value is not None:
                merged.setdefault(name, value)
    return merged or None


def _most_sudo(one: Record | None, other: Record) -> Record:
    both = [other] if one is None else [one, other]
    enabled = any(sudo["enabled"] for sudo in both)
    without = any(sudo["withoutPassword"] for sudo in both if sudo["enabled"] or not enabled)
    return {"enabled": enabled, "withoutPassword": without}
