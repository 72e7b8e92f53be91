"""The pages of an organization's lists, as ready-made JSON.

Rows are encoded once and kept until the organization changes, so that a page costs a join.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from pipelines.simulator.api.lists import Query, keeper, order, project
from pipelines.simulator.data.organization import Organization
from pipelines.simulator.data.records import ABSENT, Attributes, Record, Target

STRIDE: Final = 7
"""How far an unsorted list turns between two requests."""

DEFAULT_SORT: Final = {"applications": ("name",)}
KEPT_LISTS: Final = 512


class Page(NamedTuple):
    """Rows of one answer, and how many the whole list is said to have."""

    rows: list[bytes]
    total: int


@dataclass(frozen=True)
class _Reached:
    """An object reached through the graph, with every path to it."""

    type: str
    paths: list[list[tuple[Target, Attributes]]]


class Pages:
    """Answers list requests of one organization.

    Args:
        org: The organization; who asks for a page holds its lock.
    """

    def __init__(self, org: Organization) -> None:
        self._org = org
        self._version = -1
        self._orders: dict[tuple[str, tuple[str, ...], str, bool], list[Record]] = {}
        self._encoded: dict[tuple[str, tuple[str, ...]], dict[str, bytes]] = {}
        self._member_ids: dict[str, list[str]] = {}
        self._lists: dict[tuple[str, str], list[bytes]] = {}

    def collection(
        self, name: str, query: Query, turn: int, *, unstable_ties: bool = False
    ) -> Page:
        """Return a page of a bulk list.

        Args:
            name: The collection's attribute of the organization.
            query: What is asked for.
            turn: Any number; without a sort, another turn begins the list elsewhere.
            unstable_ties: Whether records that sort equal change places with every turn.
        """
        self._forget_old()
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
        """Return a page of a system group's members: deleted ones count, but are not delivered.

        Args:
            group_id: The system group.
            query: What is asked for.
            paths: Deliver them as `membership` does, with paths, instead of as `members` does.
        """
        self._forget_old()
        edges = self._org.members.get(group_id, {})
        if group_id not in self._member_ids:
            self._member_ids[group_id] = self._twice(edges)
        ids = self._member_ids[group_id]
        make_row = _membership_row if paths else _member_row
        page = [
            make_row(system_id, edges[system_id])
            for system_id in ids[query.skip : query.skip + query.limit]
            if system_id not in self._org.deleted
        ]
        return Page(page, len(ids))

    def users(self, source_id: str, query: Query) -> Page:
        """Return a page of the users that reach a system group or an application."""
        self._forget_old()
        key = (source_id, "users")
        if key not in self._lists:
            self._keep(key, self._user_rows(source_id))
        rows = self._lists[key]
        return Page(rows[query.skip : query.skip + query.limit], len(rows))

    def associations(self, source_id: str, targets: Sequence[str], query: Query) -> Page:
        """Return a page of the direct edges to things of these types."""
        self._forget_old()
        key = (source_id, ",".join(targets))
        if key not in self._lists:
            edges = self._org.bindings.get(source_id, {})
            rows = [
                encode(_connection((kind, target_id), edges[kind, target_id]))
                for wanted in targets
                for kind, target_id in edges
                if kind == wanted
                for _ in self._twice([target_id])
            ]
            self._keep(key, rows)
        rows = self._lists[key]
        return Page(rows[query.skip : query.skip + query.limit], len(rows))

    def _user_rows(self, source_id: str) -> list[bytes]:
        reached: dict[str, _Reached] = {}
        for target, attributes in self._org.bindings.get(source_id, {}).items():
            kind, target_id = target
            step = (target, attributes)
            if kind == "user":
                reached.setdefault(target_id, _Reached("user", [])).paths.append([step])
            elif kind == "user_group":
                for user_id, own in self._org.user_group_members.get(target_id, {}).items():
                    path = [step, (("user", user_id), own)]
                    reached.setdefault(user_id, _Reached("user", [])).paths.append(path)
        return [
            self._user_row(source_id, user_id, reached[user_id]) for user_id in self._twice(reached)
        ]

    def _user_row(self, source_id: str, user_id: str, user: _Reached) -> bytes:
        pair = (source_id, user_id)
        given = self._org.compiled
        compiled = given[pair] if pair in given else _compile(user.paths)
        return encode(_with_paths(user_id, user, compiled))

    def _ordered(self, name: str, query: Query, *, backwards: bool) -> list[Record]:
        key = (name, query.sort, query.filters, backwards)
        if key not in self._orders:
            records: dict[str, Record] = getattr(self._org, name)
            kept = list(filter(keeper(query.filters), records.values()))
            rows = order(reversed(kept) if backwards else kept, query.sort)
            if self._org.repeated:
                rows = [row for row in rows for _ in self._twice([row["id"]])]
            self._orders[key] = rows
        return self._orders[key]

    def _twice(self, ids: Iterable[str]) -> list[str]:
        repeated = self._org.repeated
        return [i for i in ids for _ in range(2 if i in repeated else 1)]

    def _keep(self, key: tuple[str, str], rows: list[bytes]) -> None:
        while len(self._lists) >= KEPT_LISTS:
            del self._lists[next(iter(self._lists))]
        self._lists[key] = rows

    def _forget_old(self) -> None:
        if self._version != self._org.version:
            self._orders.clear()
            self._encoded.clear()
            self._member_ids.clear()
            self._lists.clear()
            self._version = self._org.version


_PLAIN_MEMBER: Final = b'{"attributes":null,"to":{"attributes":null,"id":"%s","type":"system"}}'


def encode(value: object) -> bytes:
    """Return compact JSON; text stays readable Unicode, as JumpCloud sends it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _member_row(system_id: str, attributes: Attributes) -> bytes:
    if attributes is None:
        return _PLAIN_MEMBER % system_id.encode()
    return encode(_connection(("system", system_id), attributes))


def _membership_row(system_id: str, attributes: Attributes) -> bytes:
    reached = _Reached("system", [[(("system", system_id), attributes)]])
    return encode(_with_paths(system_id, reached, None))


def _connection(target: Target, attributes: Attributes) -> Record:
    kind, target_id = target
    own = {} if attributes is ABSENT else {"attributes": attributes}
    return own | {"to": {"attributes": None, "id": target_id, "type": kind}}


def _with_paths(object_id: str, reached: _Reached, compiled: Attributes) -> Record:
    own = {} if compiled is ABSENT else {"compiledAttributes": compiled}
    paths = [[_connection(*step) for step in path] for path in reached.paths]
    return {"id": object_id, "type": reached.type} | own | {"paths": paths}


def _compile(paths: list[list[tuple[Target, Attributes]]]) -> Attributes:
    """Merge the attributes of all edges: lists are joined, sudo is the most any edge grants."""
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
