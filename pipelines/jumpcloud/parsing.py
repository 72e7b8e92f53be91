"""Parse the records of a response into typed Arrow rows."""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

import pyarrow as pa

from pipelines.jumpcloud.custom_attributes import keep_attributes
from pipelines.jumpcloud.endpoints import ORGANIZATIONS, Endpoint
from pipelines.jumpcloud.errors import MalformedError
from pipelines.jumpcloud.fields import JSON_TEXTS, TEXT, TIMES
from pipelines.jumpcloud.responses import Json, Response
from pipelines.jumpcloud.unknown_fields import unknown_fields

Record = dict[str, Json]
Key = tuple[str, ...]
_OBJECT_ID = re.compile("[0-9a-fA-F]{24}")
_MAX_TOTAL = 10**12  # as in the header
_MAX_SHOWN_IDS = 3
_MAX_SHOWN = 40  # letters of an id


@dataclass(frozen=True)
class Page:
    """One page of a list.

    Attributes:
        skip: requested offset.
        limit: requested number of rows.
        total: number of records that the API announces, holes included, or None.
        keys: the unique key of each row, in order.
        rows: the allow-listed fields of each row, in order.
        unknown_fields: names of new fields; see `pipelines.jumpcloud.unknown_fields`.
        lost: keys of the rows with a value of another type than known, by field. The value is NULL.
    """

    skip: int
    limit: int
    total: int | None
    keys: tuple[Key, ...]
    rows: pa.RecordBatch
    unknown_fields: frozenset[str] = frozenset()
    lost: Mapping[str, frozenset[Key]] = field(default_factory=dict)

    @cached_property
    def distinct_keys(self) -> frozenset[Key]:
        """Return the keys without duplicates."""
        return frozenset(self.keys)

    @property
    def exceeds_total(self) -> bool:
        """Return True if the page has a row beyond the total that it announces."""
        end = self.skip + len(self.keys) if self.keys else 0
        return self.total is not None and end > self.total


def parse_page(
    endpoint: Endpoint,
    parent_id: str,
    response: Response,
    skip: int,
    limit: int,
    custom_attributes: Collection[str] = (),
) -> Page:
    """Parse the allow-listed fields of the records of a response.

    Args:
        endpoint: endpoint of the list.
        parent_id: id of the parent, or empty.
        response: response of the API.
        skip: requested offset.
        limit: requested number of rows.
        custom_attributes: names of the custom attributes to keep.

    Raises:
        MalformedError: the response is not a list of records, it has more of them than requested,
            or a record has no id.
    """
    where = endpoint.path.format(id=parent_id)
    records, total = _unwrap(endpoint, response, where)
    if len(records) > limit:
        raise MalformedError(
            f"{where}: {len(records):,} records came, but {limit:,} were requested"
        )
    records = keep_attributes(endpoint, records, custom_attributes)
    keys = tuple(_key(endpoint, record) for record in records)
    _check_ids(keys, where)
    rows, lost = _parse_rows(_dump_json_texts(endpoint, records), endpoint.schema)
    if endpoint.parent:
        parents = pa.array([parent_id] * len(records), TEXT)
        rows = pa.RecordBatch.from_arrays([parents, *rows.columns], schema=endpoint.table_schema)
    lost_keys = {
        name: frozenset(keys[number] for number in numbers) for name, numbers in lost.items()
    }
    return Page(skip, limit, total, keys, rows, unknown_fields(endpoint, records), lost_keys)


def record_keys(endpoint: Endpoint, rows: pa.RecordBatch) -> list[Key]:
    """Return the unique key of each row of a list that was read earlier."""
    tops = sorted({path[0] for path in endpoint.key})
    return [_key(endpoint, record) for record in rows.select(tops).to_pylist()]


def _unwrap(endpoint: Endpoint, response: Response, where: str) -> tuple[list[Record], int | None]:
    document, total = response.document, response.total
    if endpoint is ORGANIZATIONS and isinstance(document, dict) and "_id" in document:
        return [document], 1  # a service account may get its own organization instead of a list
    if endpoint.body == "results" and isinstance(document, dict):
        announced = document.get("totalCount")
        total = announced if type(announced) is int and 0 <= announced < _MAX_TOTAL else None
        document = document.get("results", document)
    # JumpCloud's own clients take null for an empty list.
    if document is None and total == 0:
        return [], 0
    if not isinstance(document, list) or not all(isinstance(record, dict) for record in document):
        raise MalformedError(f"{where}: the response is not a list of records")
    return cast("list[Record]", document), total


def _check_ids(keys: Sequence[Key], where: str) -> None:
    odd = [key[-1] for key in keys if not _OBJECT_ID.fullmatch(key[-1])]
    if odd:
        shown = ", ".join(repr(record_id[:_MAX_SHOWN]) for record_id in odd[:_MAX_SHOWN_IDS])
        raise MalformedError(
            f"{where}: {len(odd):,} of {len(keys):,} records have an id that does not have 24 "
            f"hexadecimal digits: {shown}"
        )


def _key(endpoint: Endpoint, record: Record) -> Key:
    parts = [_get_path(record, path) for path in endpoint.key]
    if not all(isinstance(part, str) and part for part in parts):
        raise MalformedError(f"{endpoint.path}: a record has no {endpoint.key[-1][-1]!r}")
    return tuple(cast("list[str]", parts))


def _get_path(value: Json, path: tuple[str, ...]) -> Json:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _dump_json_texts(endpoint: Endpoint, records: list[Record]) -> list[Record]:
    """Return the records with canonical JSON in the fields that have no fixed shape."""
    names = JSON_TEXTS.intersection(endpoint.schema.names)
    if not names:
        return records
    return [
        record | {name: _dump(record[name]) for name in names if record.get(name) is not None}
        for record in records
    ]


def _dump(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _parse_rows(
    records: list[Record], schema: pa.Schema
) -> tuple[pa.RecordBatch, Mapping[str, set[int]]]:
    """Return the rows, and by field the numbers of the rows that lost a value."""
    lost: dict[str, set[int]] = defaultdict(set)
    try:
        return pa.RecordBatch.from_pylist(records, schema=schema), lost
    except (pa.ArrowException, UnicodeEncodeError, OverflowError):
        pass
    converted: list[Record] = []
    for number, record in enumerate(records):
        losses: set[str] = set()
        converted.append(
            {
                name: _convert(record.get(name), schema.field(name).type, name, losses)
                for name in schema.names
            }
        )
        for name in losses:
            lost[name].add(number)
    return pa.RecordBatch.from_pylist(converted, schema=schema), lost


def _convert(value: Json, kind: pa.DataType, path: str, lost: set[str]) -> Json:
    """Return the value if it fits the type, else None: an odd field must not lose a record.

    Args:
        value: value of a field.
        kind: known type of the field.
        path: names of the field and of the objects that contain it, joined by dots.
        lost: paths of the values that do not fit; this one is added to them.
    """
    if isinstance(kind, pa.StructType) and isinstance(value, dict):
        return {
            part.name: _convert(value.get(part.name), part.type, f"{path}.{part.name}", lost)
            for part in kind
        }
    if isinstance(kind, pa.ListType) and isinstance(value, list):
        return [_convert(item, kind.value_type, path, lost) for item in value]
    is_number = isinstance(value, int | float) and path not in TIMES
    if kind == TEXT and (isinstance(value, str) or is_number):
        return _convert_to_text(value)
    if _fits(value, kind):
        return value
    if value not in (None, "", [], {}):
        lost.add(path)
    return None


def _fits(value: Json, kind: pa.DataType) -> bool:
    if isinstance(value, bool):
        return bool(pa.types.is_boolean(kind))
    return isinstance(value, int) and pa.types.is_int64(kind) and abs(value) < 2**63


def _convert_to_text(value: Json) -> str:
    if isinstance(value, str):
        # A lone surrogate, legal in JSON, has no UTF-8 form.
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
