"""Asks a published file for each finding and path of access: the process that is measured.

Argument: the file. Prints a line of JSON for each question.
"""

import json
import sys
import time

import duckdb

from pipelines.findings.catalog import FINDING_VIEWS

# Who is bound to most groups, and the device that is in most of these: there are many paths.
_PAIR = """
WITH someone AS (
    SELECT integration, user_id FROM system_group_users
    GROUP BY ALL ORDER BY count(*) DESC, user_id LIMIT 1
)
SELECT b.user_id, m.system_id
FROM someone
JOIN system_group_users b USING (integration, user_id)
JOIN system_group_members m USING (integration, group_id)
GROUP BY ALL ORDER BY count(*) DESC, m.system_id LIMIT 1
"""
_HOLDING = "SELECT user_id, application_id FROM application_users LIMIT 1"


def _questions(path: str) -> dict[str, str]:
    with duckdb.connect(path, read_only=True) as connection:
        ((user, system),) = connection.sql(_PAIR).fetchall()
        ((holder, application),) = connection.sql(_HOLDING).fetchall()
    views = {f"findings.{view.name}": f"FROM findings.{view.name}" for view in FINDING_VIEWS}
    return views | {
        "access_paths": f"FROM access_paths('{user}', '{system}')",
        "system_access": f"FROM system_access('{system}')",
        "application_access_paths": f"FROM application_access_paths('{holder}', '{application}')",
        "application_access": f"FROM application_access('{application}')",
    }


def main() -> None:
    """Ask each on a connection of its own, all rows."""
    path = sys.argv[1]
    for question, query in _questions(path).items():
        begun, cpu_begun = time.monotonic(), time.process_time()
        with duckdb.connect(path, read_only=True) as connection:
            rows = connection.sql(query).to_arrow_table().num_rows
        seconds, cpu_seconds = time.monotonic() - begun, time.process_time() - cpu_begun
        answer = {"question": question, "rows": rows, "seconds": seconds}
        print(json.dumps(answer | {"cpu_seconds": cpu_seconds}))


if __name__ == "__main__":
    main()
