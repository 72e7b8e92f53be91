"""Whatever is done to an organisation, `changes` is the difference between what was and what is."""

import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from conftest import Publisher, Pulled, Rows
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.simulator import Organization, Sizes, generate, truth
from pipelines.simulator.records import Attributes

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

# Independent of the contract's own declaration.
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
}
Change = tuple[str, str, str, str, str, str]


class Editor:
    """Does one named edit to an organisation; draws say to which of its things."""

    def __init__(self, organization: Organization) -> None:
        self._org = organization

    def edit(self, name: str, draws: tuple[int, int]) -> None:
        """Do it, unless there is nothing that it could be done to."""
        self._first, self._second = draws
        getattr(self, name)()

    def _pick(self, things: Iterable[str], draw: int) -> str | None:
        things = sorted(things)
        return things[draw % len(things)] if things else None

    def _update(self, things: Iterable[str], **fields: object) -> None:
        if record_id := self._pick(things, self._first):
            self._org.update(record_id, **fields)

    def add_system(self) -> None:
        system = self._org.add_system(hostname=f"new-{self._first}")
        if group := self._pick(self._org.system_groups, self._second):
            self._org.add_member(group, system)

    def remove_system(self) -> None:
        if system := self._pick(self._org.systems, self._first):
            self._org.remove_system(system)

    def rename_system(self) -> None:
        self._update(self._org.systems, hostname=f'Ren"amed é {self._second}')

    def change_os(self) -> None:
        self._update(self._org.systems, os="Plan 9", version=str(self._second), active=None)

    def change_address(self) -> None:
        address = f"10.9.8.{self._second % 250}"
        interface = {"name": "en9", "family": "IPv4", "address": address, "internal": False}
        self._update(self._org.systems, networkInterfaces=[interface])

    def check_in(self) -> None:
        self._update(self._org.systems, lastContact=f"2026-02-02T02:02:{self._second % 60:02}Z")

    def add_user(self) -> None:
        user = self._org.add_user(username=f"new.{self._first}")
        if group := self._pick(self._org.user_group_members, self._second):
            self._org.add_member(group, user)

    def remove_user(self) -> None:
        if user := self._pick(self._org.users, self._first):
            self._org.remove_user(user)

    def rename_user(self) -> None:
        self._update(self._org.users, username=f"renamed.{self._second}", lastname="")

    def suspend_user(self) -> None:
        self._update(self._org.users, suspended=True, state="SUSPENDED")

    def move_system(self) -> None:
        self._toggle(self._org.system_groups, self._org.systems)

    def move_user(self) -> None:
        self._toggle(self._org.user_group_members, self._org.users)

    def _toggle(self, groups: Iterable[str], members: Iterable[str]) -> None:
        """Put a member into a group, or take it out."""
        group, member = self._pick(groups, self._first), self._pick(members, self._second)
        if group and member:
            if member in self._org._members_of(group):
                self._org.remove_member(group, member)
            else:
                self._org.add_member(group, member)

    def bind_user(self) -> None:
        user = self._pick(self._org.users, self._second)
        sudo: Attributes = {"sudo": {"enabled": self._second % 2 == 0, "withoutPassword": False}}
        self._bind(self._org.system_groups, "user", user, sudo)

    def bind_user_group(self) -> None:
        group = self._pick(self._org.user_group_members, self._second)
        self._bind(self._org.system_groups, "user_group", group, None)

    def bind_application(self) -> None:
        user = self._pick(self._org.users, self._second)
        self._bind(self._org.applications, "user", user, None)

    def _bind(
        self, sources: Iterable[str], kind: str, target: str | None, attributes: Attributes
    ) -> None:
        source = self._pick(sources, self._first)
        if source and target:
            self._org.bind(source, kind, target, attributes)

    def unbind(self) -> None:
        source = self._pick(self._org.bindings, self._first)
        bound = sorted(self._org.bindings[source]) if source else []
        if source and bound:
            self._org.unbind(source, *bound[self._second % len(bound)])

    def add_group(self) -> None:
        self._org.add_group(f"Group {self._first}")

    def remove_group(self) -> None:
        if group := self._pick(self._org.system_groups, self._first):
            self._org.remove_group(group)

    def rename_group(self) -> None:
        self._update(self._org.system_groups, name=f"Renamed {self._second}")

    def add_application(self) -> None:
        self._org.add_application(displayLabel=f"New {self._first}")

    def remove_application(self) -> None:
        if application := self._pick(self._org.applications, self._first):
            self._org.remove_application(application)


EDITS = sorted(
    name
    for name, each in vars(Editor).items()
    if callable(each) and not name.startswith("_") and name != "edit"
)
DRAWS = st.integers(0, 999)
SCRIPTS = st.lists(
    st.tuples(st.sampled_from(EDITS), st.tuples(DRAWS, DRAWS)), min_size=1, max_size=8
)


def difference(before: dict[str, Rows], after: dict[str, Rows]) -> set[Change]:
    """The changes from one truth to the next, worked out row by row."""
    found: set[Change] = set()
    for table, key in KEYS.items():
        old = {tuple(str(row[name]) for name in key): row for row in before[table]}
        new = {tuple(str(row[name]) for name in key): row for row in after[table]}
        for each in old.keys() | new.keys():
            identity = (table, "/".join(each))
            if each not in new:
                found.add((*identity, "", "removed", text(old[each]), ""))
            elif each not in old:
                found.add((*identity, "", "added", "", text(new[each])))
            else:
                found |= {
                    (*identity, name, "changed", text(value), text(new[each][name]))
                    for name, value in old[each].items()
                    if value != new[each][name] and (table, name) != ("systems", "last_contact_at")
                }
    return found


def text(value: object) -> str:
    """A value in one spelling: what is absent is not told from what is null."""
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


def told(publisher: Publisher) -> set[Change]:
    """The published changes in the same spelling."""
    rows = publisher.rows("FROM changes")
    found = {
        (
            str(row["asset_type"]),
            str(row["asset_id"]),
            str(row["column_name"]),
            str(row["change"]),
            respelled(row["old_value"], row),
            respelled(row["new_value"], row),
        )
        for row in rows
    }
    assert len(found) == len(rows)
    return found


def respelled(value: object, row: dict[str, object]) -> str:
    if value is None:
        return "" if row["column_name"] == "" else "null"
    parsed = json.loads(str(value))
    if isinstance(parsed, dict) and row["column_name"] == "":
        parsed.pop("first_seen_at", None)
        for name, each in parsed.items():
            if name.endswith("_at") and each:
                parsed[name] = datetime.fromisoformat(each)
    return text(parsed)


def test_changes_are_the_difference_between_two_truths(
    pull: Callable[..., Pulled], fast_tmp_path: Path
) -> None:
    bases = {seed: pull(generate(seed, SMALL, NOW)) for seed in SEEDS}

    # A script is short as it is: to make it shorter would take minutes.
    @settings(
        max_examples=15,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.sampled_from(SEEDS), SCRIPTS)
    def check(seed: int, script: list[tuple[str, tuple[int, int]]]) -> None:
        organization = generate(seed, SMALL, NOW)
        before = truth(organization, views=False)
        editor = Editor(organization)
        for name, draws in script:
            editor.edit(name, draws)
        expected = difference(before, truth(organization, views=False))
        with tempfile.TemporaryDirectory(dir=fast_tmp_path) as folder:
            publisher = Publisher(Path(folder))
            publisher.publish(bases[seed])
            publisher.publish(pull(organization))
            assert told(publisher) == expected

    check()
