"""The command `export`; each file is read by a library that did not write it."""

import gc
import json
import resource
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from openpyxl.utils.escape import unescape

from pipelines.schema.model import Table
from pipelines.schema.tables import TABLES
from pipelines.simulator import Organization, Sizes, generate
from tests.support.edge_cases import edge_cases
from tests.support.publisher import Publisher, Pulled, Rows, on_day

SMALL = Sizes(systems=12, users=8, system_groups=3, user_groups=2, applications=2)
FORMULAS = [f'{start}HYPERLINK("http://evil")' for start in "=+-@\t\r"]
NAMES = [*FORMULAS, "<script>alert(1)</script>", "<r><t>not markup</t></r>", "x" * 40_000]


@pytest.fixture
def organization() -> Organization:
    return generate(sizes=SMALL)


@pytest.fixture
def organization_with_edge_cases() -> Organization:
    organization = edge_cases()
    for name in NAMES:
        organization.add_user(displayname=name)
    return organization


@pytest.fixture
def published(
    publisher: Publisher,
    pull: Callable[..., Pulled],
    organization: Organization,
    organization_with_edge_cases: Organization,
) -> Publisher:
    """Two integrations; one has values that are hard to write."""
    publisher.commit(on_day(0, pull(organization)), "plain")
    publisher.publish(on_day(1, pull(organization_with_edge_cases)), "awkward")
    return publisher


def read_csv(table: Table, path: Path) -> Rows:
    types = pa.schema(
        [
            pa.field(field.name, pa.string() if column.type == "TEXT[]" else field.type)
            for field, column in zip(table.published_schema, table.published_columns, strict=True)
        ]
    )
    rows = pa.csv.read_csv(
        path,
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            column_types=types, strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )
    assert rows.schema == types
    return parse_lists(table, rows.to_pylist())


def parse_lists(table: Table, rows: Rows) -> Rows:
    lists = [column.name for column in table.published_columns if column.type == "TEXT[]"]
    return [row | {name: json.loads(str(row[name])) for name in lists} for row in rows]


def read_jsonl(table: Table, path: Path) -> Rows:
    json_columns = [column.name for column in table.published_columns if column.type == "JSON"]
    others = pa.schema([f for f in table.published_schema if f.name not in json_columns])
    if not path.read_bytes():
        return []
    options = pa.json.ParseOptions(explicit_schema=others, unexpected_field_behavior="ignore")
    rows = pa.json.read_json(path, parse_options=options)
    assert rows.schema == others
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [
        row | {name: line[name] for name in json_columns}
        for row, line in zip(rows.to_pylist(), lines, strict=True)
    ]


def read_parquet(table: Table, path: Path) -> Rows:
    rows = pq.read_table(path)
    assert rows.schema.remove_metadata() == table.published_schema
    return rows.to_pylist()


def without_formula(value: object) -> object:
    is_formula = isinstance(value, str) and value.startswith(tuple("=+-@\t\r\n"))
    return f"'{value}" if is_formula else value


def expected(table: Table, rows: Rows, form: str) -> Rows:
    """Return the published rows as a format represents them."""
    names = {
        kind: [c.name for c in table.published_columns if c.type == kind]
        for kind in ("TEXT", "JSON")
    }
    if form == "csv":
        return [row | {name: without_formula(row[name]) for name in names["TEXT"]} for row in rows]
    if form == "jsonl":
        parsed = [
            {
                name: None if row[name] is None else json.loads(str(row[name]))
                for name in names["JSON"]
            }
            for row in rows
        ]
        return [row | more for row, more in zip(rows, parsed, strict=True)]
    return rows


EMPTY = {"access_differences", "changes", "custom_attributes", "review_items", "reviews"}
READERS = {"csv": read_csv, "jsonl": read_jsonl, "parquet": read_parquet}


def test_arrow_reads_every_exported_table(
    published: Publisher, ask: Callable[..., Result], tmp_path: Path
) -> None:
    for form, read in READERS.items():
        folder = tmp_path / form
        done = ask("export", "--format", form, "--output", str(folder))
        assert done.exit_code == 0, done.output
        paths = [folder / f"{name}.{form}" for name in TABLES]
        assert done.stdout.splitlines() == list(map(str, paths))
        assert sorted(folder.iterdir()) == sorted(paths)
        for (name, table), path in zip(TABLES.items(), paths, strict=True):
            rows = published.rows(f"FROM {name}")
            assert bool(rows) == (name not in EMPTY)
            assert read(table, path) == expected(table, rows, form), name


def excel_time(value: datetime) -> datetime:
    return datetime(1899, 12, 30, tzinfo=UTC) + timedelta(
        milliseconds=round((value - datetime(1899, 12, 30, tzinfo=UTC)) / timedelta(milliseconds=1))
    )


def excel_value(value: object) -> object:
    """Return a published value as Excel represents it."""
    if isinstance(value, datetime):
        return excel_time(value).replace(tzinfo=None)
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, str) and len(value) > 32_767:
        return f"({len(value):,} characters, more than a cell holds)"
    return value


def test_workbook_has_every_table(
    published: Publisher, ask: Callable[..., Result], tmp_path: Path
) -> None:
    output = tmp_path / "out.xlsx"
    done = ask("export", "--format", "xlsx", "--output", str(output))
    assert (done.exit_code, done.stdout) == (0, f"{output}\n")
    assert done.stderr == (
        f"{output}: 1 values of users.display_name do not fit into a cell and were replaced by "
        "a note; use another format for them\n"
    )
    book = openpyxl.load_workbook(output)
    assert book.sheetnames == list(TABLES)
    for name, table in TABLES.items():
        header, *cells = book[name].iter_rows()
        assert [cell.value for cell in header] == table.published_schema.names
        assert not [cell for row in cells for cell in row if cell.data_type == "f"]
        read = [
            [unescape(cell.value) if isinstance(cell.value, str) else cell.value for cell in row]
            for row in cells
        ]
        assert read == [
            [excel_value(row[column.name]) for column in table.published_columns]
            for row in published.rows(f"FROM {name}")
        ], name
    assert [path.name for path in tmp_path.glob("*out*")] == ["out.xlsx"]
    assert not list(tmp_path.glob(".jump*"))


def test_only_named_tables_and_integration_are_exported(
    published: Publisher, ask: Callable[..., Result], tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    named = ("system_users", "systems")
    options = ("--format", "parquet", "--output", str(folder), "--integration", "plain")
    assert ask("export", *options, *named).exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "system_users.parquet",
        "systems.parquet",
    ]
    for name in named:
        rows = pq.read_table(folder / f"{name}.parquet").to_pylist()
        assert rows
        order = "ALL" if name == "system_users" else "system_id"
        wanted = published.rows(f"FROM {name} WHERE integration = 'plain' ORDER BY {order}")
        key = ("system_id", "user_id") if name == "system_users" else ("system_id",)
        assert sorted(rows, key=lambda row: [row[column] for column in key]) == wanted
    single = tmp_path / "groups.csv"
    assert ask("export", "--format", "csv", "--output", str(single), "system_groups").exit_code == 0
    rows = read_csv(TABLES["system_groups"], single)
    assert len(rows) == len(published.rows("FROM system_groups"))


def test_past_snapshot_is_exported(
    pull: Callable[..., Pulled],
    organization: Organization,
    publisher: Publisher,
    ask: Callable[..., Result],
    tmp_path: Path,
) -> None:
    first = publisher.publish(on_day(0, pull(organization)))
    organization.add_system()
    publisher.publish(on_day(1, pull(organization)))
    options = ("--format", "jsonl", "systems", "--output")
    ask("export", *options, str(tmp_path / "now.jsonl"))
    done = ask("export", *options, str(tmp_path / "then.jsonl"), "--at", first.snapshot_id)
    assert done.stderr == f"acme: {first.snapshot_id}\n"
    assert len((tmp_path / "now.jsonl").read_text().splitlines()) == SMALL.systems + 1
    assert len((tmp_path / "then.jsonl").read_text().splitlines()) == SMALL.systems


REFUSED: Mapping[str, tuple[list[str], str]] = {
    "table": (["--format", "csv", "sistems"], "there is no table or view sistems; there are: "),
    "event": (["--format", "ocsf", "applications"], "there are no OCSF events for applications; "),
    "file of several": (
        ["--format", "csv", "--output", "several.csv"],
        "several.csv: a file holds one table. Name a directory",
    ),
    "import": (["--format", "servicenow", "cars"], "servicenow has no file cars; there are: comp"),
    "snapshot": (["--format", "csv", "--at", "20240101T000000Z"], "there is no snapshot "),
    "integration": (
        ["--format", "csv", "--integration", "acne"],
        "no integration 'acne' was published; there are: acme",
    ),
    "no directory for a file": (
        ["--format", "xlsx", "--output", "missing/a.xlsx"],
        "missing/a.xlsx: name a plain file in a directory that exists",
    ),
    "no directory for a directory": (
        ["--format", "csv", "--output", "missing/a"],
        "missing/a: cannot be made a directory (No such file or directory)",
    ),
    "a file as a directory": (
        ["--format", "csv", "--output", "file"],
        "file: not a directory, and the name does not end in .csv",
    ),
    "a directory as a file": (
        ["--format", "ocsf", "--output", "folder"],
        "folder: name a plain file in a directory that exists",
    ),
}


def test_invalid_export_is_refused_and_writes_nothing(
    pull: Callable[..., Pulled],
    organization: Organization,
    publisher: Publisher,
    ask: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work = tmp_path / "work"
    (work / "folder").mkdir(parents=True)
    (work / "file").touch()
    monkeypatch.chdir(work)
    nothing = ask("export", "--format", "csv")
    assert nothing.exit_code == 1
    assert "no inventory has been published here yet" in nothing.stderr
    publisher.publish(on_day(0, pull(organization)))
    for arguments, message in REFUSED.values():
        done = ask("export", *arguments)
        assert done.exit_code == 1, arguments
        assert done.stderr.startswith(f"Error: {message}")
        assert (done.stderr.count("\n"), done.stdout) == (1, "")
        assert sorted(path.name for path in work.iterdir()) == ["file", "folder"]
    assert ask("export", "--format", "docx").exit_code == 2
    assert ask("export", "--format", "csv", "--ocsf-version", "1.8").exit_code == 2
    files = ask("export", "--format", "jira-assets", "users", "devices").stdout.splitlines()
    assert files == ["jira-assets/users.csv", "jira-assets/devices.csv"]


def test_full_disk_keeps_existing_files(
    pull: Callable[..., Pulled],
    organization: Organization,
    publisher: Publisher,
    ask: Callable[..., Result],
    tmp_path: Path,
) -> None:
    publisher.publish(on_day(0, pull(organization)))
    work = tmp_path / "work"
    work.mkdir()
    for form in (*READERS, "xlsx", "ocsf"):
        output = work / form
        options = ["--format", form, "--output", str(output)]
        assert ask("export", *options).exit_code == 0
        before = {path: path.read_bytes() for path in work.rglob("*") if path.is_file()}
        largest = max(len(content) for path, content in before.items() if form in str(path))
        # At the start, in the middle, and near the end; the size of a workbook varies.
        for room in (0, 700, largest // 2, largest - 50):
            with file_size_limit(room):
                done = ask("export", *options)
            assert done.exit_code == 1
            assert done.stderr.startswith(f"Error: {output}")
            assert done.stderr.endswith("cannot be written (File too large)\n")
            assert (done.stderr.count("\n"), done.stdout) == (1, "")
            # An object that a library left open would print its error now.
            gc.collect()
            after = {path: path.read_bytes() for path in work.rglob("*") if path.is_file()}
            assert after == before


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let writes beyond a size fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
