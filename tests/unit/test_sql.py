"""Databases in memory, on their own and nested."""

from pipelines.sql import in_memory


def test_nested_database_is_isolated() -> None:
    settings = "SELECT current_setting('TimeZone'), current_setting('memory_limit')"
    names = "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()"
    with in_memory() as outer:
        outer.execute("CREATE TABLE ours (a INTEGER)")
        bounds = outer.execute(settings).fetchall()
        for table in ("ours", "theirs"):
            with in_memory(outer) as inner:
                assert inner.execute(names).fetchall() == []
                inner.execute(f"CREATE TABLE {table} (b INTEGER)")
                inner.execute("CREATE TEMP VIEW seen AS SELECT 1")
                assert inner.execute(settings).fetchall() == bounds
        assert outer.execute(names).fetchall() == [("ours",)]
        assert outer.execute("FROM duckdb_databases() WHERE NOT internal").fetchall()[1:] == []
        with in_memory(outer) as inner, in_memory(inner) as innermost:
            inner.execute("CREATE TABLE theirs (b INTEGER)")
            assert innermost.execute(names).fetchall() == []
    with in_memory() as later:
        assert later.execute(names).fetchall() == []
