"""Query results, written in each format and read back."""

import csv
import errno
import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.errors import InventoryError
from pipelines.export import query_results as results
from pipelines.export.query_results import write_result
from pipelines.publish.reader import open_sandboxed

EVERY_TYPE = """
SELECT 1 AS n, 'a' AS n, [1, 2] AS list, {'k': NULL} AS struct, MAP {'a': 1} AS map,
    '{"j": [1]}'::JSON AS json, TIMESTAMPTZ '2026-11-23 08:00:00Z' AS at, 12.50::DECIMAL(9, 2) AS d,
    170141183460469231731687303715884105727 AS huge, 'nan'::DOUBLE AS nan, 0.1::DOUBLE AS double,
    TRUE AS yes, NULL AS nothing, '' AS empty, DATE '2026-11-23' AS "day ""off""\",
    'x'::BLOB AS bytes
"""


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def written(connection: duckdb.DuckDBPyConnection, query: str, form: str) -> bytes:
    return write(connection, connection.sql(query), form)


def write(
    connection: duckdb.DuckDBPyConnection, relation: duckdb.DuckDBPyRelation, form: str
) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a 'result'"
        path.write_text("x" * 100_000)  # an earlier file, which is replaced
        write_result(connection, relation, form, path)
        return path.read_bytes()


def test_json_represents_every_type(connection: duckdb.DuckDBPyConnection) -> None:
    text = written(connection, EVERY_TYPE, "json")
    (row,) = json.loads(text, parse_constant=pytest.fail)
    assert row == {
        "n": 1,
        "n_1": "a",
        "list": [1, 2],
        "struct": {"k": None},
        "map": {"a": 1},
        "json": {"j": [1]},
        "at": "2026-11-23 08:00:00+00",
        "d": 12.5,
        "huge": 170141183460469231731687303715884105727,
        "nan": None,
        "double": 0.1,
        "yes": True,
        "nothing": None,
        "empty": "",
        'day "off"': "2026-11-23",
        "bytes": "x",
    }


def test_csv_represents_every_type(connection: duckdb.DuckDBPyConnection) -> None:
    text = written(connection, EVERY_TYPE, "csv").decode()
    (row,) = csv.DictReader(StringIO(text))
    assert row == {
        "n": "1",
        "n_1": "a",
        "list": "[1,2]",
        "struct": '{"k":null}',
        "map": '{"a":1}',
        "json": '{"j": [1]}',
        "at": "2026-11-23 08:00:00+00",
        "d": "12.50",
        "huge": "170141183460469231731687303715884105727",
        "nan": "nan",
        "double": "0.1",
        "yes": "true",
        "nothing": "",
        "empty": "",
        'day "off"': "2026-11-23",
        "bytes": "x",
    }
    # An empty text differs from NULL, and so does the text "NULL".
    assert ',,"",' in text
    assert (
        written(connection, "SELECT 'NULL' AS t, NULL::TEXT AS u", "csv") == b'"t","u"\n"NULL",\n'
    )


def test_parquet_keeps_types(connection: duckdb.DuckDBPyConnection) -> None:
    table = pq.read_table(pa.BufferReader(written(connection, EVERY_TYPE, "parquet")))
    assert table.schema.field("list").type == pa.list_(pa.int32())
    assert table.schema.field("at").type == pa.timestamp("us", tz="UTC")
    assert table.column_names[:2] == ["n", "n_1"]
    assert table.num_rows == 1


TEXTS = [
    "",
    None,
    '"',
    '""',
    ",",
    "a\nb",
    "a\r\nb",
    "\t",
    "'",
    "\\",
    "\\n",
    "\x1b[2J",
    "null",
    "NULL",
    "zoë",
    "🙂",
]
NUMBERS = [-(2**63), 2**63 - 1, 0, None]


def test_texts_and_numbers_survive_every_format(connection: duckdb.DuckDBPyConnection) -> None:
    rows = [{"text": text, "number": number} for text in TEXTS for number in NUMBERS]
    table = pa.Table.from_pylist(rows)
    found = {}
    for form in ("json", "jsonl", "csv", "parquet"):
        found[form] = write(connection, connection.register("given", table).table("given"), form)
    assert json.loads(found["json"]) == rows
    assert [json.loads(line) for line in found["jsonl"].splitlines()] == rows
    assert pq.read_table(pa.BufferReader(found["parquet"])).to_pylist() == rows
    cells = csv.DictReader(StringIO(found["csv"].decode(), newline=""))
    assert list(cells) == [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in rows
    ]


@pytest.mark.parametrize(("form", "expected"), [("json", b"[]\n"), ("jsonl", b""), ("csv", b"n\n")])
def test_empty_result_is_valid(
    form: str, expected: bytes, connection: duckdb.DuckDBPyConnection
) -> None:
    assert written(connection, "SELECT 1 AS n WHERE FALSE", form) == expected


@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "parquet"])
def test_many_batches_keep_their_order(
    form: str, connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "_BATCH_ROWS", 2048)
    data = written(connection, "SELECT range AS n FROM range(500_000)", form)
    numbers = list(range(500_000))
    match form:
        case "json":
            assert json.loads(data) == [{"n": number} for number in numbers]
        case "jsonl":
            assert [json.loads(line) for line in data.splitlines()] == [{"n": n} for n in numbers]
        case "csv":
            assert data.decode().split() == ["n", *map(str, numbers)]
        case "parquet":
            assert pq.read_table(pa.BufferReader(data))["n"].to_pylist() == numbers


def test_type_without_parquet_equivalent_is_named(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(InventoryError, match=r"cannot be written as parquet: .*interval"):
        written(connection, "SELECT INTERVAL 1 DAY", "parquet")


@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "parquet"])
def test_failed_write_names_its_cause(form: str, connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(OSError, match="No such file or directory") as failure:
        write_result(connection, connection.sql("SELECT 1"), form, Path("/missing/result"))
    assert failure.value.errno == errno.ENOENT


def test_locked_connection_writes_only_its_output(tmp_path: Path) -> None:
    inventory, output, other = (tmp_path / name for name in ("a.duckdb", "result", "other"))
    duckdb.connect(inventory).close()
    other.write_text("secret")
    with open_sandboxed(inventory, output) as connection:
        write_result(connection, connection.sql("SELECT 1 AS n"), "csv", output)
        for query in (
            f"COPY (SELECT 1) TO '{other}'",
            f"COPY (SELECT 1) TO '{output}.csv'",
            f"COPY (SELECT 1) TO '{tmp_path}/result/../other'",
            f"FROM read_text('{other}')",
        ):
            with pytest.raises(duckdb.PermissionException, match="disabled by configuration"):
                connection.sql(query).fetchall()
    assert (output.read_text(), other.read_text()) == ("n\n1\n", "secret")
    assert sorted(tmp_path.iterdir()) == [inventory, other, output]


def test_show_tables_lists_only_tables_of_the_file(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TABLE systems (system_id TEXT)")
    assert written(connection, "SHOW TABLES", "csv") == b'"name"\n"systems"\n'
