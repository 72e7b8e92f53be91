"""Removed assets are counted and named, and compared with the limit."""

import pytest

from pipelines.history.removal_guard import MAX_NAMES, Removals, find_removals
from tests.support.manifests import BADGES, make_badges


def test_removals_count_and_name_missing_assets() -> None:
    before = make_badges(("1", "Ann", 1), ("2", "Bo", 1), ("3", None, 1), ("4", "Al", 1))
    after = make_badges(("2", "Renamed", 5), ("5", "New", 1))
    # An asset without a name is named by its id.
    expected = Removals(before=4, after=2, missing=3, names=("3", "Al", "Ann"))
    assert find_removals(BADGES, before, after) == expected


def test_equal_tables_have_no_removals() -> None:
    rows = make_badges(("1", "Ann", 1))
    expected = Removals(before=1, after=1, missing=0, names=())
    assert find_removals(BADGES, rows, rows) == expected


def test_names_of_removals_are_limited() -> None:
    before = make_badges(*[(f"{number}", f"owner {number:02}", 1) for number in range(25)])
    names = tuple(f"owner {number:02}" for number in range(MAX_NAMES))
    expected = Removals(before=25, after=0, missing=25, names=names)
    assert find_removals(BADGES, before, make_badges()) == expected


@pytest.mark.parametrize(
    ("before", "missing", "is_exceeded"),
    [
        (100, 30, False),
        (100, 31, True),
        (10, 10, False),
        (20, 19, False),
        (20, 20, True),
        (0, 0, False),
    ],
)
def test_limit_needs_both_share_and_minimum(
    before: int, missing: int, *, is_exceeded: bool
) -> None:
    removals = Removals(before, before - missing, missing, ())
    assert removals.exceed_limit(share=0.3, minimum=20) is is_exceeded
