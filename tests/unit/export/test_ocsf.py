"""OCSF events, compared with the schema's definitions and with the published rows."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import Result
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from pipelines import open_inventory
from pipelines.config.exports import OcsfVersion
from pipelines.export.ocsf import without_empty, write_events, write_parquet_events
from pipelines.export.ocsf_classes import OCSF_CLASSES, OCSF_VERSIONS
from pipelines.findings.catalog import FINDINGS
from pipelines.findings.model import SCHEMA
from pipelines.schema.tables import SYSTEMS, USERS
from pipelines.simulator import Sizes, generate
from tests.support import DATA, ROOT
from tests.support.edge_cases import edge_cases
from tests.support.publisher import Publisher, Pulled, on_day

SMALL = Sizes(systems=12, users=8, system_groups=3, user_groups=2, applications=2)
DOCUMENT = ROOT / "docs" / "how-to" / "export.md"
DEFINITIONS = json.loads((DATA / "ocsf-1.9.0.json").read_text())
CLASSES = {5001: "inventory_info", 5003: "user_inventory", 2003: "compliance_finding"}
TABLES = {5001: SYSTEMS, 5003: USERS}
Event = dict[str, Any]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def publisher(home: Path) -> Publisher:
    return Publisher(home)


@pytest.fixture
def published(publisher: Publisher, pull: Callable[..., Pulled]) -> Publisher:
    """Return what is published once for all tests, which only read it."""
    if publisher.file.exists():
        return publisher
    organization = edge_cases()
    organization.add_user(email="not an address")
    organization.add_user(email="two@example.com\n@")
    key = dict.fromkeys(("overallStatus", "webAuthnStatus"), "ENROLLED")
    organization.add_user(mfa={"configured": False}, totp_enabled=False, mfaEnrollment=key)
    publisher.publish(on_day(0, pull(organization)), "awkward")
    publisher.publish(on_day(1, pull(generate(sizes=SMALL))), "demo")
    return publisher


@pytest.fixture
def events(published: Publisher, ask: Callable[..., Result], tmp_path: Path) -> list[Event]:
    assert published.file.exists()
    output = tmp_path / "events.jsonl"
    done = ask("export", "--format", "ocsf", "--output", str(output))
    assert (done.exit_code, done.stdout) == (0, f"{output}\n")
    return [json.loads(line) for line in output.read_text().splitlines()]


def validators(version: str = "1.9") -> dict[int, Sequence[Draft202012Validator]]:
    """Return the definitions of each class that another project compiled from the schema.

    It has none of 1.9: events of that version conform to ours, and to its 1.8.
    """
    latest = version == "1.9"
    compiled = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=f"{'1.8' if latest else version}.0"))
    ours = {
        uid: [Draft202012Validator(DEFINITIONS | {"$ref": f"#/$defs/{name}"})]
        for uid, name in CLASSES.items()
    }
    return {
        uid: [
            *(ours[uid] if latest else []),
            Draft202012Validator(compiled.get_class_schema(class_name=name, profiles=[])),
        ]
        for uid, name in CLASSES.items()
    }


def write_version(published: Publisher, path: Path, version: OcsfVersion) -> list[Event]:
    with open_inventory(published.file) as connection:
        write_events(connection, tuple(OCSF_CLASSES), None, path, version)
    return [json.loads(line) for line in path.read_text().splitlines()]


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


def test_every_event_conforms_to_its_version(published: Publisher, tmp_path: Path) -> None:
    assert published.file.exists()
    for version in OCSF_VERSIONS:
        by_class = validators(version)
        found = write_version(published, tmp_path / "events", version)
        assert {event["class_uid"] for event in found} == set(CLASSES)
        for event in found:
            for validator in by_class[event["class_uid"]]:
                errors = [
                    f"{error.json_path}: {error.message}" for error in validator.iter_errors(event)
                ]
                assert not errors, version
            assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
            assert event["metadata"]["version"] == f"{version}.0"
        uids = [event["metadata"]["uid"] for event in found]
        assert len(set(uids)) == len(uids)


def test_older_version_keeps_unknown_attributes(published: Publisher, tmp_path: Path) -> None:
    new, old = (
        {event["metadata"]["uid"]: event for event in write_version(published, tmp_path / "e", one)}
        for one in ("1.9", "1.3")
    )
    moved = {
        "user.display_name": "display_name",
        "user.has_mfa": "has_mfa",
        "user.account.is_disabled": "suspended",
        "user.account.is_locked": "account_locked",
        "user.ldap_person.department": "department",
        "device.hw_info.vendor_name": "hardware_vendor",
        "device.owner.uid": "primary_user_id",
        "device.hostname": "hostname",
    }
    for path, name in moved.items():
        values = {uid: find_value(event, path) for uid, event in new.items()}
        assert any(value is not None for value in values.values())
        assert values == {uid: event["unmapped"].get(name) for uid, event in old.items()}
        assert name == "hostname" or not any(find_value(event, path) for event in old.values())


def test_findings_are_compliance_findings(published: Publisher, tmp_path: Path) -> None:
    rows = [
        (finding.name, row)
        for finding in FINDINGS
        for row in published.rows(f"FROM {SCHEMA}.{finding.name}")
    ]
    found = [
        event
        for event in write_version(published, tmp_path / "events", "1.9")
        if event["class_uid"] == 2003
    ]
    number = {"high": 4, "medium": 3, "low": 2}
    assert sorted(
        (name, row["asset_type"], row["asset_id"], row["evidence"], number[str(row["severity"])])
        for name, row in rows
    ) == sorted(
        (
            event["compliance"]["control"],
            event["resources"][0]["type"],
            event["resources"][0]["uid"],
            event["unmapped"]["evidence"],
            event["severity_id"],
        )
        for event in found
    )
    activities = {event["activity_name"] for event in found}
    assert activities <= {"Create", "Update"}
    starts = {row["started_at"] for row in published.rows("SELECT started_at FROM snapshots")}
    for event in found:
        is_new = event["finding_info"].get("created_time", 0) >= event["time"]
        assert event["activity_name"] == ("Create" if is_new else "Update")
        assert datetime.fromtimestamp(event["time"] / 1000, UTC) in starts


def test_parquet_events_equal_the_json_events(published: Publisher, tmp_path: Path) -> None:
    by_uid = {
        event["metadata"]["uid"]: event
        for event in write_version(published, tmp_path / "events", "1.9")
    }
    with open_inventory(published.file) as connection:
        for table in OCSF_CLASSES:
            schemas = []
            for name in ("awkward", "demo", "none"):
                path = tmp_path / f"{name}.parquet"
                write_parquet_events(connection, table, name, path, "1.9")
                schemas.append(pq.read_schema(path))
                rows = pq.read_table(path).to_pylist(maps_as_pydicts="strict")
                assert bool(rows) == (name != "none")
                for row in rows:
                    event = by_uid.pop(row["metadata"]["uid"])
                    unmapped = {name: as_text(value) for name, value in event["unmapped"].items()}
                    given = row["unmapped"]
                    assert unmapped == {
                        name: value for name, value in given.items() if value not in ("[]", "")
                    }
                    assert without_empty(row | {"unmapped": unmapped}) == event | {
                        "unmapped": unmapped
                    }
            assert schemas[0] == schemas[1] == schemas[2]
    assert not by_uid


def as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def test_default_export_has_devices_and_users(events: list[Event], published: Publisher) -> None:
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
    published: Publisher,
    ask: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```(\w+)\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    commands = [line for kind, text in blocks if kind == "console" for line in text.splitlines()]
    assert len(commands) == 7
    for command in commands:
        _, _, *arguments = command.split()
        done = ask(*arguments)
        assert done.exit_code == 0, done.output
        assert all(Path(path).stat().st_size for path in done.stdout.splitlines())
    (script,) = [text for kind, text in blocks if kind == "python"]
    (tmp_path / "data").mkdir()
    (tmp_path / "data/inventory.duckdb").symlink_to(published.file)
    output = subprocess.run(
        [sys.executable, "-c", f"{script}\nimport sys; print('dagster' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout
    assert "os_family\n" in output
    assert output.endswith("False\n"), "it needs no Dagster"
