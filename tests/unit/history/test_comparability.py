"""Only rows and columns that both pulls asked for are compared."""

import pyarrow as pa
import pytest

from pipelines.history.changes import comparable_rows, incomparable_columns
from pipelines.history.manifest import PullFacts
from pipelines.schema.tables import SYSTEM_GROUP_ASSOCIATIONS, USERS
from tests.support.manifests import BADGES, make_badges, make_pull
from tests.support.publisher import Rows

FULL = make_pull(endpoints=("systemusers", "applications_users"), association_targets=("user",))


@pytest.mark.parametrize(
    ("endpoints", "expected"),
    [(("badges", "doors"), True), (("badges",), True), (("doors",), False), ((), False)],
)
def test_table_was_pulled_with_its_endpoints(endpoints: tuple[str, ...], *, expected: bool) -> None:
    assert make_pull(endpoints=endpoints).has_read(BADGES) is expected


def test_column_needs_its_endpoint_in_both_pulls() -> None:
    both, only_badges = make_pull(), make_pull(endpoints=("badges",))
    assert incomparable_columns(BADGES, both, both) == []
    assert incomparable_columns(BADGES, both, only_badges) == ["door_count"]
    assert incomparable_columns(BADGES, only_badges, both) == ["door_count"]


def test_rows_of_other_tables_are_all_comparable() -> None:
    rows = make_badges(("1", "Ann", 1), ("2", None, 2))
    assert comparable_rows(BADGES, rows, FULL, make_pull(endpoints=())) == rows


def test_associations_of_common_target_types_are_comparable() -> None:
    table = SYSTEM_GROUP_ASSOCIATIONS
    values: Rows = [
        {"integration": "acme", "group_id": "g", "target_type": kind, "target_id": f"{kind}-1"}
        for kind in ("user", "policy", "command")
    ]
    rows = pa.Table.from_pylist(values, schema=table.arrow_schema)
    one = make_pull(association_targets=("user", "policy"))
    other = make_pull(association_targets=("command", "policy"))
    assert comparable_rows(table, rows, one, other) == rows.slice(1, 1)
    assert comparable_rows(table, rows, one, make_pull()) == rows.slice(0, 0)


@pytest.mark.parametrize(
    ("other", "count"),
    [
        (FULL, 2),
        (make_pull(endpoints=("systemusers",), association_targets=("user",)), 1),
        (make_pull(endpoints=FULL.endpoints, association_targets=("policy",)), 1),
        (make_pull(endpoints=FULL.endpoints, association_targets=("user", "policy")), 2),
    ],
)
def test_unresolved_users_need_the_same_sources(other: PullFacts, count: int) -> None:
    values: Rows = [
        {"integration": "acme", "user_id": "1", "resolved": True},
        {"integration": "acme", "user_id": "2", "resolved": False},
    ]
    rows = pa.Table.from_pylist(values, schema=USERS.arrow_schema)
    assert comparable_rows(USERS, rows, FULL, other) == rows.slice(0, count)
    assert comparable_rows(USERS, rows, other, FULL) == rows.slice(0, count)
