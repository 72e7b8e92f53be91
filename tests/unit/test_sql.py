"""DuckDB in memory: one within another is as empty as if it stood alone."""

from pipelines.sql import in_memory


def test_a_database_within_another_holds_nothing_of_it_and_leaves_nothing_in_it() -> None:
    asked = "SELECT current_setting('TimeZone'), current_setting('memory_limit')"
    names = "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()"
    with in_memory() as outer:
        outer.execute("CREATE TABLE ours (a INTEGER)")
        bounds = outer.execute(asked).fetchall()
        for table in ("ours", "theirs"):
            with in_memory() as inner:
                assert inner.execute(names).fetchall() == []
                inner.execute(f"CREATE TABLE {table} (b INTEGER)")
                inner.execute("CREATE TEMP VIEW seen AS SELECT 1")
                assert inner.execute(asked).fetchall() == bounds
        assert outer.execute(names).fetchall() == [("ours",)]
        assert outer.execute("FROM duckdb_databases() WHERE NOT internal").fetchall()[1:] == []
    with in_memory() as later:
        assert later.execute(names).fetchall() == []
