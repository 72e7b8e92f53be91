"""The published `changes` equal the differences between two states of an organization."""

import json
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.simulator import Sizes, generate
from tests.oracle import expected_tables
from tests.support.edits import SCRIPTS, Editor
from tests.support.publisher import Publisher, Pulled, Rows

SMALL = Sizes(
    systems=12,
    users=10,
    system_groups=4,
    user_groups=3,
    applications=3,
    policies=2,
    policy_groups=1,
    commands=2,
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SEEDS = (1, 2)

# Repeated here so that the test is independent of the contract.
KEYS: dict[str, Sequence[str]] = {
    "systems": ["system_id"],
    "users": ["user_id"],
    "applications": ["application_id"],
    "ipv4_addresses": ["address"],
    "system_groups": ["group_id"],
    "system_group_members": ["group_id", "system_id"],
    "system_group_users": ["group_id", "user_id"],
    "system_group_associations": ["group_id", "target_type", "target_id"],
    "application_users": ["application_id", "user_id"],
    "system_ipv4_addresses": ["system_id", "interface", "address"],
    "system_local_accounts": ["system_id", "username"],
    "user_groups": ["user_group_id"],
    "policies": ["policy_id"],
    "policy_groups": ["policy_group_id"],
    "commands": ["command_id"],
    "radius_servers": ["radius_server_id"],
    "user_group_members": ["user_group_id", "user_id"],
    "user_system_bindings": ["user_id", "system_id"],
    "user_group_system_bindings": ["user_group_id", "system_id"],
    "custom_attributes": ["asset_type", "asset_id", "name"],
}
# Names of other rows, which `changes` leaves out.
NAMES_OF_OTHERS = {"target_name", "user_group_name", "via_user_group_names"}
Change = tuple[str, str, str, str, str, str]


def difference(before: dict[str, Rows], after: dict[str, Rows]) -> set[Change]:
    """Return the changes between two states, compared row by row."""
    found: set[Change] = set()
    for table, key in KEYS.items():
        old = {tuple(str(row[name]) for name in key): row for row in before[table]}
        new = {tuple(str(row[name]) for name in key): row for row in after[table]}
        for row_key in old.keys() | new.keys():
            identity = (table, "/".join(row_key))
            if row_key not in new:
                found.add((*identity, "", "removed", to_text(old[row_key]), ""))
            elif row_key not in old:
                found.add((*identity, "", "added", "", to_text(new[row_key])))
            else:
                found |= {
                    (*identity, name, "changed", to_text(value), to_text(new[row_key][name]))
                    for name, value in old[row_key].items()
                    if value != new[row_key][name]
                    and (table, name) != ("systems", "last_contact_at")
                    and name not in NAMES_OF_OTHERS
                }
    return found


def to_text(value: object) -> str:
    """Return a value as canonical JSON, in which a null equals an omitted field."""
    return json.dumps(without_nulls(value), sort_keys=True)


def without_nulls(value: object) -> object:
    match value:
        case dict():
            return {n: without_nulls(v) for n, v in value.items() if v is not None}
        case list():
            return [without_nulls(item) for item in value]
        case datetime():
            return value.astimezone(UTC).isoformat()
    return value


def published_changes(publisher: Publisher) -> set[Change]:
    """Return the published changes in the same format."""
    rows = publisher.rows("FROM changes")
    found = {
        (
            str(row["asset_type"]),
            str(row["asset_id"]),
            str(row["column_name"]),
            str(row["change"]),
            normalize(row["old_value"], row),
            normalize(row["new_value"], row),
        )
        for row in rows
    }
    assert len(found) == len(rows)
    return found


def is_time(column: str) -> bool:
    return column.endswith(("_at", "password_date", "_expiration_date", "exclusion_until"))


def normalize(value: object, row: dict[str, object]) -> str:
    if value is None:
        return "" if row["column_name"] == "" else "null"
    parsed = json.loads(str(value))
    if parsed and is_time(str(row["column_name"])):
        parsed = datetime.fromisoformat(parsed)
    if isinstance(parsed, dict) and row["column_name"] == "":
        parsed.pop("first_seen_at", None)
        for name, item in parsed.items():
            if is_time(name) and item:
                parsed[name] = datetime.fromisoformat(item)
    return to_text(parsed)


def test_changes_match_oracle(pull: Callable[..., Pulled], fast_tmp_path: Path) -> None:
    bases = {seed: pull(generate(seed, SMALL, NOW)) for seed in SEEDS}

    # Scripts are short, and shrinking them would take minutes.
    @settings(
        max_examples=7,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.sampled_from(SEEDS), SCRIPTS)
    def check(seed: int, script: list[tuple[str, tuple[int, int]]]) -> None:
        organization = generate(seed, SMALL, NOW)
        before = expected_tables(organization, views=False)
        editor = Editor(organization)
        for name, draws in script:
            editor.edit(name, draws)
        expected = difference(before, expected_tables(organization, views=False))
        with tempfile.TemporaryDirectory(dir=fast_tmp_path) as folder:
            publisher = Publisher(Path(folder))
            publisher.commit(bases[seed])
            publisher.publish(pull(organization))
            assert published_changes(publisher) == expected

    check()
