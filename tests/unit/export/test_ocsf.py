"""OCSF events, compared with the schema's definitions and with the published rows."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from pipelines.schema.tables import SYSTEMS, USERS
from pipelines.simulator import Sizes, generate
from tests.support import DATA, ROOT
from tests.support.edge_cases import edge_cases
from tests.support.publisher import Publisher, Pulled, on_day

SMALL = Sizes(systems=12, users=8, system_groups=3, user_groups=2, applications=2)
DOCUMENT = ROOT / "docs" / "how-to" / "export.md"
DEFINITIONS = json.loads((DATA / "ocsf-1.9.0.json").read_text())
CLASSES = {5001: "inventory_info", 5003: "user_inventory"}
TABLES = {5001: SYSTEMS, 5003: USERS}
Event = dict[str, Any]


@pytest.fixture(scope="module")
def pulls(pull_once: Callable[..., Pulled]) -> dict[str, Pulled]:
    organization = edge_cases()
    organization.add_user(email="not an address")
    organization.add_user(email="two@example.com\n@")
    key = dict.fromkeys(("overallStatus", "webAuthnStatus"), "ENROLLED")
    organization.add_user(mfa={"configured": False}, totp_enabled=False, mfaEnrollment=key)
    return {"awkward": pull_once(organization), "plain": pull_once(generate(sizes=SMALL))}


@pytest.fixture
def published(publisher: Publisher, pulls: dict[str, Pulled]) -> Publisher:
    for day, (name, pulled) in enumerate(pulls.items()):
        publisher.publish(on_day(day, pulled), name)
    return publisher


@pytest.fixture
def events(published: Publisher, ask: Callable[..., Result], tmp_path: Path) -> list[Event]:
    assert published.file.exists()
    output = tmp_path / "events.jsonl"
    done = ask("export", "--format", "ocsf", "--output", str(output))
    assert (done.exit_code, done.stdout) == (0, f"{output}\n")
    return [json.loads(line) for line in output.read_text().splitlines()]


def validators() -> dict[int, Sequence[Draft202012Validator]]:
    """Return by class our definitions and those that another project compiled from 1.8.0."""
    independent = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.8.0"))
    return {
        uid: (
            Draft202012Validator(DEFINITIONS | {"$ref": f"#/$defs/{name}"}),
            Draft202012Validator(independent.get_class_schema(class_name=name, profiles=[])),
        )
        for uid, name in CLASSES.items()
    }


def find_value(event: Event, path: str) -> Any:  # noqa: ANN401 -- any JSON value
    """Return the value of an attribute, or the list of values for a path with `[]`."""
    value: Any = event
    for number, name in enumerate(parts := path.split(".")):
        if name.endswith("[]"):
            rest = ".".join(parts[number + 1 :])
            return [find_value(item, rest) for item in value.get(name[:-2], [])]
        value = value.get(name)
        if value is None:
            return None
    return value


def documented(table: str) -> dict[str, str]:
    """Return the documented attribute of each column."""
    text = DOCUMENT.read_text().partition(f"| column of `{table}` |")[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| `(\w+)` \| `([\w.\[\]]+)`", text, re.MULTILINE))


def as_attribute(value: object, path: str) -> object:
    """Return a published value as an event represents it."""
    if isinstance(value, datetime):
        if path.startswith("unmapped."):
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return int(value.timestamp() * 1000 + 1e-6)
    if path.endswith("[].version"):
        return [value] if value else []
    return None if value in ([], "") and not path.count("[]") else value


def test_every_event_conforms_to_the_schema(events: list[Event], published: Publisher) -> None:
    by_class = validators()
    for event in events:
        for validator in by_class[event["class_uid"]]:
            errors = [
                f"{error.json_path}: {error.message}" for error in validator.iter_errors(event)
            ]
            assert not errors
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
        assert event["metadata"]["version"] == "1.9.0"
    uids = [event["metadata"]["uid"] for event in events]
    assert len(set(uids)) == len(uids)
    for class_uid, table in TABLES.items():
        of_class = [event for event in events if event["class_uid"] == class_uid]
        (count,) = published.rows(f"SELECT count(*) AS n FROM {table.name}")
        assert len(of_class) == count["n"]


WRONG: dict[str, Callable[[Event], object]] = {
    "unknown attribute": lambda event: event.update(color="red"),
    "unknown attribute below": lambda event: event["metadata"].update(color="red"),
    "missing attribute": lambda event: event["metadata"].pop("product"),
    "number that is none": lambda event: event.update(severity_id="1"),
    "number outside the enumeration": lambda event: event.update(activity_id=7),
    "null": lambda event: event.update(message=None),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_schema_rejects_wrong_events(wrong: str) -> None:
    event: Event = {
        "category_uid": 5,
        "class_uid": 5001,
        "activity_id": 2,
        "type_uid": 500102,
        "severity_id": 1,
        "time": 1,
        "metadata": {"version": "1.9.0", "product": {"name": "JumpCloud"}},
        "device": {"uid": "1", "type_id": 0},
    }
    spoilt = deepcopy(event)
    WRONG[wrong](spoilt)
    for validator in validators()[5001]:
        assert validator.is_valid(event)
        assert not validator.is_valid(spoilt)


def test_every_column_is_at_its_documented_attribute(
    events: list[Event], published: Publisher
) -> None:
    for class_uid, table in TABLES.items():
        paths = documented(table.name)
        assert list(paths) == [column.name for column in table.published_columns]
        rows = published.rows(f"FROM {table.name} ORDER BY integration, {table.key[0]}")
        of_class = [event for event in events if event["class_uid"] == class_uid]
        for row, event in zip(rows, of_class, strict=True):
            for column, path in paths.items():
                if column in {"os", "os_family", "email"}:
                    continue
                found = find_value(event, path)
                if column in {"ipv4_addresses", "group_names"}:
                    found = sorted({value for value in found if value and ":" not in value})
                assert found == as_attribute(row[column], path), (column, row)


def test_operating_systems_and_emails_are_mapped(events: list[Event], published: Publisher) -> None:
    systems = {row["system_id"]: row for row in published.rows("FROM systems")}
    known = {"windows": 100, "linux": 200, "darwin": 300, "ios": 301, "android": 201}
    for event in events:
        if event["class_uid"] == 5003:
            continue
        row = systems[event["device"]["uid"]]
        os = event["device"].get("os", {})
        assert os.get("name") == (row["os"] or row["os_family"])
        if row["os_family"]:
            expected = 302 if row["os"] == "iPadOS" else known[str(row["os_family"])]
            assert os["type_id"] == expected
        kinds: dict[object, int] = {"tablet": 4, "mobile": 5, "virtual": 6, None: 0}
        assert event["device"]["type_id"] == kinds[row["hardware_kind"]]
    users = {row["user_id"]: row for row in published.rows("FROM users")}
    emails = [
        (
            users[event["user"]["uid"]]["email"],
            event["user"].get("email_addr"),
            event["unmapped"].get("email"),
        )
        for event in events
        if event["class_uid"] == 5003
    ]
    assert {
        ("not an address", None, "not an address"),
        ("two@example.com\n@", None, "two@example.com\n@"),
        (None, None, None),
    } <= set(emails)
    for email, mapped, unmapped in emails:
        assert email == (mapped or unmapped)


def test_factors_and_ipv6_addresses_are_mapped(events: list[Event], published: Publisher) -> None:
    users = {
        event["user"]["uid"]: event["user"].get("has_mfa") for event in events if "user" in event
    }
    keys = published.rows("SELECT user_id FROM users WHERE mfa_webauthn_status = 'ENROLLED'")
    assert {users[row["user_id"]] for row in keys} == {True}
    none = published.rows("SELECT user_id FROM users WHERE mfa_status = 'NOT_ENROLLED'")
    assert {users[row["user_id"]] for row in none} == {False}
    addresses = {
        (event["device"]["uid"], address)
        for event in events
        if "device" in event
        for address in find_value(event, "device.network_interfaces[].ip")
    }
    rows = published.rows("SELECT DISTINCT system_id, address FROM system_ip_addresses")
    assert addresses == {(row["system_id"], row["address"]) for row in rows}
    assert any(":" in address for _, address in addresses)


def test_examples_of_the_documentation_work(
    publisher: Publisher,
    pull: Callable[..., Pulled],
    ask: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publisher.publish(on_day(0, pull(generate(sizes=SMALL))), "demo")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```(\w+)\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    commands = [line for kind, text in blocks if kind == "console" for line in text.splitlines()]
    assert len(commands) == 5
    for command in commands:
        _, _, *arguments = command.split()
        done = ask(*arguments)
        assert done.exit_code == 0, done.output
        assert all(Path(path).stat().st_size for path in done.stdout.splitlines())
    (script,) = [text for kind, text in blocks if kind == "python"]
    (tmp_path / "data").mkdir()
    (tmp_path / "data/inventory.duckdb").symlink_to(publisher.file)
    output = subprocess.run(
        [sys.executable, "-c", f"{script}\nimport sys; print('dagster' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout
    assert "os_family\n" in output
    assert output.endswith("False\n"), "it needs no Dagster"
