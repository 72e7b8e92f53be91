"""Assets that vanished or lost their data are counted, named, and compared with the limit."""

from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.history.removal_guard import (
    MAX_NAMES,
    Removals,
    StoppedRemovals,
    find_removals,
)
from pipelines.schema.model import Column, Table
from pipelines.schema.tables import APPLICATIONS, SYSTEMS, USERS
from pipelines.simulator import Sizes, generate
from pipelines.sql import in_memory
from pipelines.transform import TRANSFORMS
from tests.support.manifests import BADGES, make_badges
from tests.support.publisher import Pulled

DOORS = Table(
    "doors",
    "Doors",
    key=("door_id",),
    columns=(
        Column("door_id", "TEXT", "Door", "doors._id"),
        Column("name", "TEXT", "Name", "doors.name"),
        Column("locked", "BOOLEAN", "TRUE if it is locked", "doors.locked"),
        Column("badge_count", "BIGINT", "Number of badges"),
    ),
    is_asset=True,
    labels=("name",),
)
Doors = dict[str, tuple[str | None, bool | None]]


def test_removals_count_and_name_missing_assets() -> None:
    before = make_badges(("1", "Ann", 1), ("2", "Bo", 1), ("3", None, 1), ("4", "Al", 1))
    after = make_badges(("2", "Renamed", 5), ("5", "New", 1))
    # An asset without a name is named by its id.
    names, ids = ("3", "Al", "Ann"), frozenset("134")
    expected = Removals(before=4, after=2, missing=3, emptied=0, names=names, ids=ids)
    assert find_removals(BADGES, before, after) == expected
    assert expected.describe("gate_badges") == (
        "3 of 4 gate badges vanished since the last snapshot (2 now): 3, Al, Ann"
    )


def test_equal_tables_have_no_removals() -> None:
    rows = make_badges(("1", "Ann", 1))
    expected = Removals(before=1, after=1, missing=0, emptied=0, names=())
    assert find_removals(BADGES, rows, rows) == expected


def test_names_of_removals_are_few_and_printable() -> None:
    before = make_badges(*[(f"{number}", f"owner\n{number:02}", 1) for number in range(25)])
    removals = find_removals(BADGES, before, make_badges())
    assert removals.names == tuple(f"owner\n{number:02}" for number in range(MAX_NAMES))
    line = removals.describe("badges")
    assert line.endswith(
        r"(0 now): owner\u000a00, owner\u000a01, owner\u000a02, "
        r"owner\u000a03, owner\u000a04 and 20 more"
    )


def make_doors(doors: Doors) -> pa.Table:
    rows = [
        {"door_id": key, "name": name, "locked": locked, "badge_count": 7}
        for key, (name, locked) in doors.items()
    ]
    return pa.Table.from_pylist(rows, schema=DOORS.arrow_schema)


@given(
    *[
        st.dictionaries(
            st.sampled_from("abcdef"),
            st.tuples(st.none() | st.just("gate"), st.none() | st.booleans()),
        )
    ]
    * 2
)
def test_removals_are_all_assets_that_had_data(before: Doors, after: Doors) -> None:
    nothing = (None, None)
    known = {key for key, values in before.items() if values != nothing}
    found = {key for key, values in after.items() if values != nothing}
    removals = find_removals(DOORS, make_doors(before), make_doors(after))
    assert (removals.before, removals.after) == (len(known), len(found))
    assert removals.missing == len(known - after.keys())
    assert removals.emptied == len((known - found) & after.keys())


def transformed(pulled: Pulled, table: Table, records: pa.Table) -> pa.Table:
    """Return a table of a pull that got other records for it."""
    frames = {f"jumpcloud.{name}": rows for name, rows in pulled.pull.tables.items()}
    frames |= {"jumpcloud.completeness": pulled.pull.completeness} | pulled.tables
    frames |= {f"jumpcloud.{table.endpoints[0]}": records}
    with in_memory() as connection:
        return TRANSFORMS[table.name].run("acme", frames, connection)


def blanked(records: pa.Table) -> pa.Table:
    """Return records that have only their id."""
    nulls = [pa.nulls(records.num_rows, field.type) for field in records.schema]
    columns = dict(zip(records.column_names, nulls, strict=True)) | {"_id": records["_id"]}
    return pa.table(columns, records.schema)


def test_lost_data_is_a_removal_of_each_asset_type(pull: Callable[..., Pulled]) -> None:
    pulled = pull(generate(sizes=Sizes(systems=25, users=25, system_groups=3, applications=25)))
    for table in (SYSTEMS, USERS, APPLICATIONS):
        records = pulled.pull.tables[table.endpoints[0]]
        for kept in (0, 5):
            short = records.slice(0, kept)
            empty = pa.concat_tables([short, blanked(records.slice(kept))])
            for after, loss in ((short, "vanished"), (empty, "lost their data")):
                rows = transformed(pulled, table, after)
                removals = find_removals(table, pulled.tables[table.name], rows)
                assert (removals.before, removals.after, removals.lost) == (25, kept, 25 - kept)
                assert removals.exceed_limit(share=0.3, minimum=20)
                # A group still names most devices and users that are not in the list.
                is_named = after is short and table is not APPLICATIONS
                assert ("lost their data" if is_named else loss) in removals.describe(table.name)


@pytest.mark.parametrize(
    ("before", "missing", "emptied", "is_exceeded"),
    [
        (100, 30, 0, False),
        (100, 31, 0, True),
        (100, 20, 11, True),
        (10, 10, 0, False),
        (20, 19, 0, False),
        (20, 20, 0, True),
        (25, 0, 20, True),
        (0, 0, 0, False),
    ],
)
def test_limit_needs_both_share_and_minimum(
    before: int, missing: int, emptied: int, *, is_exceeded: bool
) -> None:
    removals = Removals(before, before - missing - emptied, missing, emptied, ())
    assert removals.exceed_limit(share=0.3, minimum=20) is is_exceeded


def lost(number: int, first: int = 0) -> Removals:
    ids = frozenset(map(str, range(first, first + number)))
    return Removals(100, 100 - number, missing=number, emptied=0, names=("a",), ids=ids)


def test_accepted_removals_cover_no_others() -> None:
    stopped = StoppedRemovals(snapshot_id="one", by_type={"systems": lost(40)})
    stopped = StoppedRemovals.model_validate_json(stopped.model_dump_json())
    assert stopped.cover("systems", lost(30))
    assert stopped.cover("systems", lost(44))  # a few more may have left since
    assert not stopped.cover("systems", lost(45))
    assert stopped.cover("systems", lost(40, first=4))
    assert not stopped.cover("systems", lost(30, first=30))
    assert not stopped.cover("users", lost(30))
