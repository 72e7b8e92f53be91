"""A published file gives the same results in every DuckDB since 1.2."""

import json
import os
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

CLIENTS = sorted(path.parent for path in ROOT.glob(".duckdb-clients/*/.installed"))
Found = dict[str, list[list[object]]]
SMALL = Sizes(systems=30, users=20, system_groups=6, user_groups=3, applications=3)
# Rows are read as JSON: DuckDB needs another library to convert times with a zone to Python.
READ = """
import json, sys
import duckdb

connection = duckdb.connect(sys.argv[1], read_only=True)
connection.execute("SET TimeZone = 'UTC'")
print(duckdb.__version__)
found = {}
for name in sys.argv[2:]:
    query = f"SELECT to_json(t)::VARCHAR FROM {name} t ORDER BY ALL"
    found[name] = connection.execute(query).fetchall()
found["comments"] = connection.execute(
    "SELECT schema_name, table_name, column_name, data_type, comment FROM duckdb_columns() "
    "WHERE NOT internal ORDER BY ALL"
).fetchall()
try:
    connection.execute("FROM system_access('nothing') WHERE sudo").fetchall()
except duckdb.Error as error:
    found["error"] = str(error).split(". The nearest")[:1]
connection.close()
# Views of an attached file read its tables, not those of the open file. Those of the schema
# `findings` and the macros need USE.
connection = duckdb.connect()
connection.execute("CREATE SCHEMA findings; CREATE TABLE systems (integration TEXT)")
connection.execute(f"ATTACH '{sys.argv[1]}' AS monday (READ_ONLY)")
different = []
for name in [name for name in sys.argv[2:] if "_users" in name or "(" in name]:
    is_main = not name.startswith("findings.") and "(" not in name
    connection.execute("USE memory" if is_main else "USE monday")
    query = f"SELECT count(*) FROM {'monday.main.' if is_main else ''}{name}"
    if connection.execute(query).fetchone() != (len(found[name]),):
        different.append(name)
found["different if attached"] = different
print(json.dumps(found))
"""


def read(client: Path | None, file: Path, calls: Sequence[str]) -> tuple[str, Found]:
    """Return a DuckDB's version, and what it reads of all tables, views and macro calls."""
    views = [f"findings.{view.name}" for view in FINDING_VIEWS]
    names = [*TABLES, *(view.name for view in VIEWS), *views, *calls]
    run = subprocess.run(
        [sys.executable, "-c", READ, file, *names],
        env=os.environ | ({"PYTHONPATH": str(client)} if client else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, f"{client}: {run.stderr}"
    version, found = run.stdout.splitlines()
    return version, json.loads(found)


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
    given["asset"] = given["user"]
    quoted = {name: f"'{str(value).upper()}'" for name, value in given.items()}
    return [
        f"{macro.name}({', '.join(quoted[name] for name in macro.parameters)})" for macro in MACROS
    ]


@pytest.mark.slow
@pytest.mark.skipif(
    not CLIENTS, reason="no other DuckDB is there: `make test` installs those that have a wheel"
)
def test_all_versions_read_an_updated_file(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = generate(sizes=SMALL)
    for number in range(3):
        publisher.publish(pull(organization))
        organization.add_user(username=f"new.person.{number}")
    calls = macro_calls(publisher)
    version, expected = read(None, publisher.file, calls)
    assert version == duckdb.__version__
    for client in CLIENTS:
        version, found = read(client, publisher.file, calls)
        assert version.startswith(client.name.rstrip("x"))
        assert found == expected, version
    assert all(expected[name] for name in ("systems", "changes", "comments", *calls))
    assert any(expected[f"findings.{finding.name}"] for finding in FINDINGS)
    assert expected["different if attached"] == []
    assert len(expected["findings.summary"]) == len(FINDINGS)
    assert "no device 'nothing' in the inventory" in str(expected["error"])
