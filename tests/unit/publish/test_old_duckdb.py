"""A published file gives the same results in DuckDB 1.2 and in the newest version."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pytest

from pipelines.findings.catalog import FINDING_VIEWS, FINDINGS
from pipelines.schema.macros import MACROS
from pipelines.schema.tables import TABLES
from pipelines.schema.views import VIEWS
from pipelines.simulator import Sizes, generate
from tests.support import ROOT
from tests.support.publisher import Publisher, Pulled

ENVIRONMENT = ROOT / ".venv-duckdb-1.2"
Found = dict[str, list[list[object]]]
SMALL = Sizes(systems=30, users=20, system_groups=6, user_groups=3, applications=3)
# Rows are read as JSON: DuckDB needs another library to convert times with a zone to Python.
READ = """
import json, sys
import duckdb

connection = duckdb.connect(sys.argv[1], read_only=True)
connection.execute("SET TimeZone = 'UTC'")
found = {"version": [[duckdb.__version__]]}
for name in sys.argv[2:]:
    rows = connection.execute(f"SELECT to_json(t)::VARCHAR FROM {name} t ORDER BY ALL").fetchall()
    comments = connection.execute(
        "SELECT column_name, data_type, comment FROM duckdb_columns() "
        "WHERE table_name = split_part(?, '.', -1)",
        [name],
    ).fetchall()
    found[name] = [rows, sorted(comments)]
print(json.dumps(found))
"""


def read(python: Path, file: Path, calls: Sequence[str]) -> Found:
    """Return all tables, views and macro calls of the file, read by an interpreter's DuckDB."""
    views = [f"findings.{view.name}" for view in FINDING_VIEWS]
    names = [*TABLES, *(view.name for view in VIEWS), *views, *calls]
    run = subprocess.run(
        [python, "-c", READ, file, *names], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    found: Found = json.loads(run.stdout)
    return found


def macro_calls(publisher: Publisher) -> list[str]:
    """Return a call of each macro, with a user who has access to something."""
    (given,) = publisher.rows(
        "SELECT user_id AS user, system_id AS system FROM system_users LIMIT 1"
    )
    given |= publisher.rows(
        f"""
SELECT application_id AS application FROM application_users
WHERE user_id = '{given["user"]}' LIMIT 1"""
    )[0]
    quoted = {name: f"'{value}'" for name, value in given.items()}
    return [
        f"{macro.name}({', '.join(quoted[name] for name in macro.parameters)})" for macro in MACROS
    ]


@pytest.mark.skipif(
    not (ENVIRONMENT / ".installed").exists(),
    reason="DuckDB 1.2 is not there: `make test` installs it, where this Python has a wheel of it",
)
def test_duckdb_1_2_reads_an_updated_file(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = generate(sizes=SMALL)
    for number in range(3):
        publisher.publish(pull(organization))
        organization.add_user(username=f"new.person.{number}")
    calls = macro_calls(publisher)
    old = read(ENVIRONMENT / "bin" / "python", publisher.file, calls)
    new = read(Path(sys.executable), publisher.file, calls)
    assert str(old.pop("version")[0][0]).startswith("1.2.")
    assert new.pop("version")[0][0] == duckdb.__version__
    assert old == new
    assert all(old[name][0] for name in ("systems", "changes", "system_users", *calls))
    assert any(old[f"findings.{finding.name}"][0] for finding in FINDINGS)
    assert len(old["findings.summary"][0]) == len(FINDINGS)
