"""docs/explanation/history.md: the lines with which other programs read the history as text."""

import re
from itertools import product
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from tests.support import ROOT

PAGE = (ROOT / "docs/explanation/history.md").read_text(encoding="utf-8")
LINES = dict(re.findall(r"^\| (\w+) \| `(.+?)`", PAGE, re.MULTILINE))
PARTITIONING = re.search(r"^    columns = .*\n    TEXT = .*$", PAGE, re.MULTILINE)
# Numbers to a program that guesses.
INTEGRATIONS, SNAPSHOTS = ("2024", "1"), ("20261123T080000Z", "20261123T080000Z_2")


@pytest.mark.parametrize("program", ["DuckDB", "pyarrow", "pandas"])
def test_line_reads_both_columns_as_text(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for integration in INTEGRATIONS:
        for snapshot in SNAPSHOTS:
            folder = Path("data/history/systems", f"integration={integration}")
            path = tmp_path / folder / f"snapshot={snapshot}" / "part-0.parquet"
            path.parent.mkdir(parents=True)
            pq.write_table(pa.table({"system_id": ["a", "b"]}), path)
    monkeypatch.chdir(tmp_path)
    if program == "DuckDB":
        query = f"FROM {LINES[program]} SELECT integration, snapshot"
        rows = duckdb.execute(query).fetchall()
    else:
        assert PARTITIONING
        names = {"pa": pa, "ds": ds, "pd": pd}
        exec(re.sub(r"(?m)^ +", "", PARTITIONING[0]), names)  # noqa: S102 -- our own page
        found = eval(LINES[program], names)  # noqa: S307 -- our own page
        table = found.to_table() if program == "pyarrow" else pa.Table.from_pandas(found)
        columns = (table[name].to_pylist() for name in ("integration", "snapshot"))
        rows = list(zip(*columns, strict=True))
    assert sorted(rows) == sorted(2 * list(product(INTEGRATIONS, SNAPSHOTS)))
