"""Parameters of list requests: paging, order, fields and filters, in the dialects of v1 and v2."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final, Self

from pipelines.simulator.data.records import Record

DEFAULT_LIMIT: Final = 10
GROUP_SORT_FIELDS: Final = frozenset(
    {"name", "disabled", "type", "membershipMethod", "memberQueryErrorFlags"}
)


class BadRequestError(Exception):
    """The request's parameters are invalid; the text becomes the answer's message."""


@dataclass(frozen=True)
class Query:
    """One list request.

    Attributes:
        limit: Rows per page, already within the cap.
        skip: Offset into the list.
        sort: Field names, with `-` in front of descending ones; empty for no order.
        fields: Requested fields; empty for all.
        filters: `field:operator:value` conditions in v2's spelling, as JSON to be hashable.
    """

    limit: int = DEFAULT_LIMIT
    skip: int = 0
    sort: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    filters: str = ""

    @classmethod
    def v1(cls, params: Mapping[str, str], cap: int) -> Self:
        """Read the query of a v1 list: lists are space-separated, comma lists are ignored."""
        return cls._read(params, cap, _spaced)

    @classmethod
    def v2(cls, params: Mapping[str, str], cap: int) -> Self:
        """Read the query of a v2 list: lists are comma-separated."""
        return cls._read(params, cap, lambda text: tuple(filter(None, text.split(","))))

    @classmethod
    def _read(
        cls, params: Mapping[str, str], cap: int, split: Callable[[str], tuple[str, ...]]
    ) -> Self:
        conditions = [value for key, value in params.items() if key.startswith("filter") and value]
        return cls(
            limit=_number(params, "limit", DEFAULT_LIMIT, cap),
            skip=_number(params, "skip", 0, None),
            sort=split(params.get("sort", "")),
            fields=split(params.get("fields", "")),
            filters=json.dumps({"filter": conditions}) if conditions else "",
        )

    @classmethod
    def search(cls, params: Mapping[str, str], body: Mapping[str, Any], cap: int) -> Self:
        """Read a v1 search: the query string overrides limit and skip of the JSON body."""
        numbers = {key: str(body[key]) for key in ("limit", "skip") if body.get(key) is not None}
        numbers |= {key: params[key] for key in ("limit", "skip") if key in params}
        conditions = {key: body[key] for key in ("filter", "searchFilter") if body.get(key)}
        return cls(
            limit=_number(numbers, "limit", DEFAULT_LIMIT, cap),
            skip=_number(numbers, "skip", 0, None),
            sort=_spaced(body.get("sort") or params.get("sort", "")),
            fields=_spaced(body.get("fields") or params.get("fields", "")),
            filters=json.dumps(conditions, sort_keys=True) if conditions else "",
        )


def _number(params: Mapping[str, str], name: str, default: int, cap: int | None) -> int:
    text = params.get(name, "")
    if not text:
        return default
    try:
        number = int(text)
    except ValueError:
        raise BadRequestError(f"Bad Request: {name} must be a number") from None
    if number < 0:
        raise BadRequestError(f"Bad Request: {name} must not be negative")
    if cap is None:
        return number
    return min(number or default, cap)


def _spaced(value: str | Iterable[str]) -> tuple[str, ...]:
    names = value.split() if isinstance(value, str) else tuple(value)
    return tuple(name for name in names if "," not in name)


def project(record: Record, fields: tuple[str, ...]) -> Record:
    """Return the id and these fields; dots reach into objects."""
    if not fields:
        return record
    wanted: Record = {key: record[key] for key in ("_id", "id") if key in record}
    for name in fields:
        head, _, tail = name.partition(".")
        if head not in record:
            continue
        value = record[head]
        if tail:
            part = {tail: value[tail]} if isinstance(value, dict) and tail in value else {}
            wanted[head] = wanted.get(head, {}) | part
        else:
            wanted[head] = value
    return wanted


def order(records: Iterable[Record], sort: tuple[str, ...]) -> list[Record]:
    """Return the records sorted by these fields, with a stable order of ties."""
    rows = list(records)
    for name in reversed(sort):
        field = name.lstrip("-")
        rows.sort(key=lambda row, field=field: _rank(row.get(field)), reverse=name[0] == "-")  # type: ignore[misc]
    return rows


def _rank(value: object) -> tuple[int, float, str]:
    """Return a key that compares values of every type: null, then numbers, then texts."""
    if value is None:
        return (0, 0.0, "")
    if isinstance(value, bool | int | float):
        return (1, float(value), "")
    return (2, 0.0, value if isinstance(value, str) else json.dumps(value))


_OPERATORS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "eq": eq,
    "ne": ne,
    "gt": gt,
    "gte": ge,
    "ge": ge,
    "lt": lt,
    "lte": le,
    "le": le,
    "search": lambda have, want: want.lower() in have.lower(),
    "in": lambda have, want: have in want.split("|"),
}


def record_filter(filters: str) -> Callable[[Record], bool]:
    """Return the predicate of a list's filters.

    Raises:
        BadRequestError: A condition is not `field:operator:value`.
    """
    conditions: Record = json.loads(filters) if filters else {}
    keep = _condition(conditions.get("filter", []))
    search = conditions.get("searchFilter")
    if not search:
        return keep
    term = str(search.get("searchTerm", "")).lower()
    names = _spaced(search.get("fields") or ())
    return lambda record: (
        keep(record) and any(term in str(record.get(name, "")).lower() for name in names)
    )


def _condition(value: object) -> Callable[[Record], bool]:
    if isinstance(value, list):
        tests = [_condition(item) for item in value]
        return lambda record: all(test(record) for test in tests)
    if isinstance(value, dict):
        if "or" in value:
            either = [_condition(item) for item in value["or"]]
            return lambda record: any(test(record) for test in either)
        if "and" in value:
            return _condition(value["and"])
        return _condition([f"{name}:eq:{_text(want)}" for name, want in value.items()])
    parts = str(value).split(":", 2)
    operator = _OPERATORS.get(parts[1].lstrip("$")) if len(parts) == len("fov") else None
    if operator is None:
        raise BadRequestError(f"Bad Request: invalid filter {value!r}")
    return lambda record: operator(_text(record.get(parts[0])), parts[2])


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
