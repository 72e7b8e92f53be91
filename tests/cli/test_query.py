"""The commands `sql`, `diff` and `forget`."""

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import Result

from pipelines.history.manifest import Manifest
from pipelines.publish.database import build_duckdb_file
from pipelines.report.render import write_report
from pipelines.schema.tables import TABLES
from pipelines.simulator import Organization, Sizes, generate
from pipelines.storage.atomic import write_parquet, write_text
from tests.support.publisher import FIRST_DAY, Publisher, Pulled, on_day

SMALL = Sizes(systems=12, users=8, system_groups=3, user_groups=2, applications=2)
COMMAND = Path(sys.executable).with_name("jumpcloud-inventory")


@pytest.fixture
def organization() -> Organization:
    """Return the organization that is published, for changes of the test."""
    return generate(sizes=SMALL, now=FIRST_DAY)


@pytest.fixture(scope="module")
def pulled(pull_once: Callable[..., Pulled]) -> Pulled:
    return pull_once(generate(sizes=SMALL, now=FIRST_DAY))


@pytest.fixture(scope="module")
def first(pulled: Pulled, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """Publish the organization; return the data directory and the manifest."""
    home = tmp_path_factory.mktemp("home")
    return home, Publisher(home).publish(on_day(0, pulled))


@pytest.fixture
def published(publisher: Publisher, first: tuple[Path, Manifest]) -> Manifest:
    """Publish the organization in a data directory of the test."""
    home, manifest = first
    shutil.copytree(home, publisher.home)
    return manifest


@pytest.mark.usefixtures("published")
def test_sql_prints_each_format(ask: Callable[..., Result], tmp_path: Path) -> None:
    query = "SELECT system_id, group_ids, created_at FROM systems ORDER BY system_id"
    rows = json.loads(ask("sql", query, "--format", "json").stdout)
    assert len(rows) == SMALL.systems
    table = ask("sql", query)
    assert f"  {SMALL.systems} rows" in table.stdout
    by_csv = csv.DictReader(StringIO(ask("sql", query, "--format", "csv").stdout))
    assert [json.loads(row["group_ids"]) for row in by_csv] == [row["group_ids"] for row in rows]
    output = tmp_path / "systems.parquet"
    written = ask("sql", query, "--format", "parquet", "--output", str(output))
    assert (written.exit_code, written.stdout) == (0, "")
    assert pq.read_table(output)["system_id"].to_pylist() == [row["system_id"] for row in rows]
    assert [path.name for path in tmp_path.glob("*systems*")] == ["systems.parquet"]
    asked = ask("sql", "-", "--format", "csv", entered="SELECT count(*) AS n FROM systems")
    assert asked.stdout.split() == ["n", str(SMALL.systems)]
    nothing = ask("sql", "FROM systems WHERE FALSE", "--format", "json")
    assert (nothing.exit_code, nothing.stdout) == (0, "[]\n")


@pytest.mark.usefixtures("published")
def test_result_wider_than_terminal_has_one_line_per_column(
    ask: Callable[..., Result],
) -> None:
    query = "SELECT *, chr(27) AS odd, NULL AS nothing FROM systems ORDER BY system_id"
    (first, *_), rows = json.loads(ask("sql", query, "--format", "json").stdout), SMALL.systems
    lines = ask("sql", query).stdout.splitlines()
    assert [line.strip("─") for line in lines if line.startswith("─[")] == [
        f"[ {number} ]" for number in range(1, rows + 1)
    ]
    shown = dict(re.split(r" *│ ", line, maxsplit=1) for line in lines[1 : len(first) + 1])
    assert shown.keys() == first.keys()
    assert shown["system_id"] == first["system_id"]
    assert json.loads(shown["group_ids"]) == first["group_ids"]
    assert (shown["odd"], shown["nothing"]) == ("\\u001b", "NULL")
    many = ask("sql", "SELECT s.* FROM systems s, range(10)").stdout.splitlines()
    assert many[-1] == "The first 40 rows; --format csv or json has all."
    assert len([line for line in many if line.startswith("─[")]) == 40
    assert ask("sql", "FROM systems WHERE FALSE").stdout == "0 rows\n"


@pytest.mark.usefixtures("published")
def test_sql_chooses_the_format_by_the_name(ask: Callable[..., Result], tmp_path: Path) -> None:
    for name, start in (
        ("a.csv", "n"),
        ("a.JSON", "["),
        ("a.jsonl", '{"n":'),
        ("a.parquet", "PAR1"),
    ):
        done = ask("sql", "SELECT 1 AS n", "--output", str(tmp_path / name))
        assert (done.exit_code, done.stdout) == (0, ""), done.stderr
        assert (tmp_path / name).read_bytes().startswith(start.encode())
    for options in (("a.txt",), ("a",), ("a.csv", "--format", "table")):
        done = ask(
            "sql", "SELECT 1 AS n", "--output", str(tmp_path / "new" / options[0]), *options[1:]
        )
        assert done.exit_code == 2
        assert "the format is not known; add --format (csv, json, jsonl, parquet)" in done.stderr


@pytest.mark.usefixtures("published")
def test_sql_joins_a_file_of_the_user(ask: Callable[..., Result], tmp_path: Path) -> None:
    people = tmp_path / "hr it's.csv"
    people.write_text("employee,cost\n007,1\n64e1,2\n")
    query = "SELECT employee, (SELECT count(*) FROM systems) AS n FROM HR ORDER BY cost"
    done = ask("sql", query, "--with", f"hr={people}", "--format", "csv")
    rows = [line.split(",") for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == ['"employee"', '"007"', '"64e1"']
    assert [row[1] for row in rows] == ["n", str(SMALL.systems), str(SMALL.systems)]
    write = f"COPY (SELECT 1) TO '{people.as_posix().replace(chr(39), 2 * chr(39))}'"
    done = ask("sql", f"{write} (USE_TMP_FILE false)", "--with", f"hr={people}")
    assert "disabled by configuration" in done.stderr
    (tmp_path / "other.csv").write_text("secret")
    for given, message in (
        (f"hr={tmp_path / 'none.csv'}", "cannot be read. Name a file that ends in .csv, .json"),
        (f"systems={people}", "the inventory has a table systems"),
        (f"={people}", "is not NAME=FILE"),
        (f"h-r={people}", "is not NAME=FILE"),
        ("hr=", "is not NAME=FILE"),
    ):
        done = ask("sql", "FROM hr", "--with", given)
        assert done.exit_code in {1, 2}
        assert message in done.stderr
    twice = ask("sql", "FROM hr", "--with", f"hr={people}", "--with", f"HR={people}")
    assert "given twice" in twice.stderr
    other = ask("sql", f"FROM '{tmp_path / 'other.csv'}'", "--with", f"hr={people}")
    assert "disabled by configuration" in other.stderr


FORBIDDEN = {
    "DROP TABLE systems": "read-only mode",
    "INSERT INTO changes FROM changes": "read-only mode",
    "COPY systems TO '{folder}/stolen.csv'": "disabled by configuration",
    "EXPORT DATABASE '{folder}/stolen'": "disabled by configuration",
    "ATTACH '{folder}/new.duckdb'": "disabled by configuration",
    "FROM read_text('{folder}/secret.txt')": "disabled by configuration",
    "FROM '{folder}/secret.parquet'": "disabled by configuration",
    "FROM glob('{folder}/*')": "disabled by configuration",
    "COPY systems TO '/dev/stdout'": "disabled by configuration",
    "SET allowed_paths = ['{folder}/secret.txt']": "configuration has been locked",
    "SET allowed_directories = ['{folder}']": "configuration has been locked",
    "SET enable_external_access = true": "configuration has been locked",
    "RESET lock_configuration": "configuration has been locked",
    "LOAD httpfs": "disabled through configuration",
    # Variables of the program cannot be queried as tables.
    "FROM relation": "Table with name relation does not exist",
    "SELEC 1": 'syntax error at or near "SELEC"',
    "SELECT error('on ' || 'the way') FROM systems": "on the way",
    "SELECT ('x' || chr(27) || '[2J')::INT": "'x\\u001b[2J'",
    "": "there is no query",
}


@pytest.mark.usefixtures("published")
def test_sql_touches_no_other_files(ask: Callable[..., Result], publisher: Publisher) -> None:
    folder = publisher.home / "other"
    folder.mkdir()
    (folder / "secret.txt").write_text("secret")
    (folder / "secret.parquet").symlink_to(next(publisher.home.rglob("part-0.parquet")))
    before = contents(publisher.home)
    for query, words in FORBIDDEN.items():
        for form in ("table", "csv", "json"):
            done = ask("sql", query.format(folder=folder), "--format", form)
            assert done.exit_code == 1, query
            assert done.stderr.startswith("Error: ")
            assert words in done.stderr
            assert contents(publisher.home) == before


def contents(folder: Path) -> dict[Path, bytes]:
    """Return the content of every file and folder in a folder, by path."""
    paths = folder.rglob("*")
    return {path: path.read_bytes() if path.is_file() else b"" for path in paths}


@pytest.mark.usefixtures("published")
def test_closed_pipe_ends_query(publisher: Publisher) -> None:
    command = [str(COMMAND), "sql", "FROM range(10_000_000)", "--format", "csv"]
    command += ["--data-dir", str(publisher.home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == b"range\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_invalid_output_is_refused(
    published: Manifest, ask: Callable[..., Result], tmp_path: Path
) -> None:
    query = f"FROM snapshots WHERE snapshot_id = '{published.snapshot_id}'"
    link = tmp_path / "link"
    link.symlink_to("/dev/null")
    for output in (link, tmp_path / "missing" / "file", tmp_path / "link" / "file"):
        done = ask("sql", query, "--format", "parquet", "--output", str(output))
        assert done.exit_code == 1
        assert f"{output}: name a plain file in a directory that exists" in done.stderr
    assert link.is_symlink()
    done = ask("sql", query, "--format", "parquet")
    assert done.exit_code == 2
    assert "--format parquet needs --output FILE" in done.stderr


def test_failed_query_keeps_previous_output(
    published: Manifest, ask: Callable[..., Result], tmp_path: Path
) -> None:
    output = tmp_path / "out.csv"
    output.write_text("before")
    condition = f"snapshot_id = '{published.snapshot_id}'"
    query = f"SELECT CASE WHEN {condition} THEN error('x') END FROM snapshots"
    assert ask("sql", query, "--format", "csv", "--output", str(output)).exit_code == 1
    assert output.read_text() == "before"
    assert [path.name for path in tmp_path.glob("*out*")] == ["out.csv"]


@pytest.mark.parametrize("command", [["sql", "FROM systems"], ["diff"], ["sql", "x", "--at", "y"]])
def test_query_before_first_publication_fails_and_writes_nothing(
    command: list[str], ask: Callable[..., Result], publisher: Publisher
) -> None:
    done = ask(*command)
    assert done.exit_code == 1
    assert "published here yet. Run `jumpcloud-inventory run`, or choose" in done.stderr
    assert not publisher.home.exists()


def test_sql_at_snapshot_reads_it_and_prints_its_id(
    published: Manifest,
    organization: Organization,
    pull: Callable[..., Pulled],
    publisher: Publisher,
    ask: Callable[..., Result],
) -> None:
    organization.add_system()
    publisher.publish(on_day(1, pull(organization)))
    count = "SELECT count(*) AS n FROM systems"
    now = ask("sql", count, "--format", "csv")
    then = ask("sql", count, "--format", "csv", "--at", published.snapshot_id)
    assert (now.stdout.split()[1], then.stdout.split()[1]) == ("13", "12")
    assert then.stderr == f"acme: {published.snapshot_id}\n"
    for day, exit_code in ((f"{published.pull.started_at:%Y-%m-%d}", 0), ("2000-01-01", 1)):
        done = ask("sql", count, "--format", "csv", "--at", day)
        assert (done.exit_code, done.stdout) == (exit_code, "" if exit_code else then.stdout)
    assert "acme: nothing was recorded then" in done.stderr
    unknown = ask("sql", count, "--at", "20240101T000000Z", "--integration", "acme")
    assert unknown.exit_code == 1
    assert f"the nearest: {published.snapshot_id}" in unknown.stderr
    other = ask("sql", count, "--at", published.snapshot_id, "--integration", "acne")
    assert "no integration 'acne' was published; there are: acme" in other.stderr


def test_diff_prints_each_format(
    published: Manifest,
    organization: Organization,
    pull: Callable[..., Pulled],
    publisher: Publisher,
    ask: Callable[..., Result],
) -> None:
    name = '=HYPERLINK("http://evil")'
    user_id = organization.add_user(username=name)
    latest = publisher.publish(on_day(1, pull(organization)))
    text = ask("diff").stdout
    assert text.splitlines() == [
        f"acme: {published.snapshot_id} -> {latest.snapshot_id}",
        "  users: 1 added",
        f"    + {name} ({user_id})",
    ]
    (row,) = json.loads(ask("diff", published.snapshot_id, "--format", "json").stdout)
    assert row.pop("new_value")["username"] == name
    assert row == {
        "integration": "acme",
        "before_snapshot_id": published.snapshot_id,
        "after_snapshot_id": latest.snapshot_id,
        "asset_type": "users",
        "asset_id": user_id,
        "name": name,
        "column_name": "",
        "change": "added",
        "old_value": None,
    }
    # A spreadsheet would run the formula.
    (cells,) = csv.DictReader(StringIO(ask("diff", "--format", "csv").stdout))
    assert cells["name"] == f"'{name}"
    assert json.loads(cells["new_value"])["username"] == name
    same = ask("diff", latest.snapshot_id, "--format", "json", "--integration", "acme")
    assert same.stdout == "[]\n"
    assert f"acme: {latest.snapshot_id} -> {latest.snapshot_id}\n" in same.stderr
    assert ask("diff", "a", "b", "c").exit_code == 2


def test_diff_since_a_date_compares_its_last_snapshot(
    published: Manifest, pulled: Pulled, publisher: Publisher, ask: Callable[..., Result]
) -> None:
    later = publisher.publish(on_day(2, pulled))
    day = f"{published.pull.started_at:%Y-%m-%d}"
    expected = f"acme: {published.snapshot_id} -> {later.snapshot_id}"
    assert ask("diff", "--since", day).stdout.splitlines()[0] == expected
    early = ask("diff", "--since", "2000-01-01")
    assert early.exit_code == 1
    assert "acme: nothing was recorded then; its first snapshot is" in early.stderr
    assert ask("diff", "a", "--since", "7d").exit_code == 2


def test_diff_names_tables_that_cannot_be_compared(
    published: Manifest,
    organization: Organization,
    pull: Callable[..., Pulled],
    publisher: Publisher,
    ask: Callable[..., Result],
) -> None:
    assert "only one snapshot" in ask("diff").stderr
    publisher.publish(on_day(1, pull(organization, details=False)))
    done = ask("diff")
    assert done.exit_code == 0
    assert "acme: not compared, because not pulled both times: systems, users" in done.stderr
    publisher.history.expire("acme", [published.snapshot_id])
    done = ask("diff", published.snapshot_id)
    assert done.exit_code == 1
    assert "were removed, because of keep_snapshots; the nearest that are kept: " in done.stderr


def test_forget_removes_integration_everywhere(
    pulled: Pulled, publisher: Publisher, ask: Callable[..., Result]
) -> None:
    publisher.publish(on_day(0, pulled), "kept")
    publisher.publish(on_day(1, pulled), "gone")
    report = publisher.home / "report.html"
    write_report(publisher.file, report)
    assert "gone" in report.read_text()
    staged = publisher.home / "parquet" / "inventory" / "systems"
    for path in (staged / "gone.parquet", staged / ".gone.parquet.12", staged / "kept.parquet"):
        write_parquet(pulled.tables["systems"], path)
    (publisher.home / "spool" / "gone").mkdir(parents=True)
    write_text("{}", publisher.home / "removals" / "gone.stopped.json")

    assert "integration 'kept' is in the settings" in ask("forget", "kept").stderr
    unknown = ask("forget", "acme")
    assert unknown.exit_code == 2
    assert "nothing is kept of an integration 'acme'; there are: gone, kept" in unknown.stderr
    before = contents(publisher.home)
    refused = ask("forget", "gone", entered="n\n")
    assert refused.exit_code == 1
    assert "Remove 'gone' with 1 snapshots" in refused.stdout
    unanswered = ask("forget", "gone")
    assert unanswered.exit_code == 1
    assert "no answer, nothing removed; use --yes to skip the prompt" in unanswered.stderr
    assert before.items() <= contents(publisher.home).items()

    assert ask("forget", "gone", entered="y\n").exit_code == 0
    left = [path for path in publisher.home.rglob("*") if "gone" in path.name]
    assert left == [publisher.home / "locks" / "gone"]
    assert "gone" not in report.read_text()
    for table in TABLES:
        names = publisher.rows(f"SELECT DISTINCT integration FROM {table}")
        assert names in ([], [{"integration": "kept"}])
    assert ask("forget", "gone", "--yes").exit_code == 2


def test_interrupted_forget_can_be_repeated(
    pulled: Pulled, publisher: Publisher, ask: Callable[..., Result]
) -> None:
    publisher.publish(pulled, "gone")
    manifests = publisher.history.root / "_manifests" / "integration=gone"
    # The state after a power failure between the rename and the removal of the manifests.
    manifests.rename(manifests.with_name(".integration=gone"))
    build_duckdb_file(publisher.history, publisher.file)
    assert publisher.rows("FROM integrations") == []
    assert ask("forget", "gone", "--yes").exit_code == 0
    assert not [path for path in publisher.history.root.rglob("*") if "gone" in path.name]


def test_forgetting_last_integration_leaves_empty_tables(
    pulled: Pulled, publisher: Publisher, ask: Callable[..., Result]
) -> None:
    publisher.publish(pulled, "gone")
    assert ask("forget", "gone", "--yes").exit_code == 0
    for table in TABLES:
        assert publisher.rows(f"FROM {table}") == []
