"""The results of a run, as short tables on the terminal."""

from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from pipelines.publish.reader import open_inventory

CONSOLE = Console(highlight=False)

EXAMPLES = {
    "Who can use sudo without a password, and where?": """
SELECT u.username, count(DISTINCT s.system_id) AS systems, list_sort(list(DISTINCT g.name)) AS via
FROM system_group_users b
JOIN users u USING (integration, user_id)
JOIN system_groups g USING (integration, group_id)
JOIN system_group_members s USING (integration, group_id)
WHERE (b.sudo_without_password OR u.global_admin AND u.passwordless_sudo) AND u.state = 'ACTIVATED'
GROUP BY u.username ORDER BY systems DESC, u.username LIMIT 5""",
    "Which suspended users still reach devices?": """
SELECT username, department, system_count, application_count
FROM users WHERE suspended AND system_count > 0
ORDER BY system_count DESC, username LIMIT 5""",
    "Which devices are unencrypted and reached by most people?": """
SELECT hostname, os, user_count, last_contact_at::DATE AS last_contact, ipv4_addresses
FROM systems WHERE disk_encrypted = FALSE
ORDER BY user_count DESC, hostname LIMIT 5""",
}


def print_summary(integration: str, published: Path, report: Path) -> None:
    """Print the numbers and costs of an integration's latest pull, and the published files."""
    with open_inventory(published) as connection:
        facts = connection.execute(
            """
SELECT i.systems, i.users, i.applications, i.ipv4_addresses, s.api_calls,
    round(epoch(s.finished_at - s.started_at), 1)
FROM integrations i JOIN snapshots s ON s.integration = i.integration
    AND s.snapshot_id = i.last_snapshot_id
WHERE i.integration = ?""",
            [integration],
        ).fetchone()
    if facts is None:
        return
    labels = ("systems", "users", "applications", "IPv4 addresses", "API calls", "seconds to pull")
    table = Table(title=f"Inventory of {integration}", show_header=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    for label, value in zip(labels, facts, strict=True):
        table.add_row(label, f"{value:,}")
    CONSOLE.print(table)
    CONSOLE.print(f"DuckDB file: {published}\nReport: {report}", soft_wrap=True)


def print_examples(published: Path) -> None:
    """Print a few questions with their SQL and their answers."""
    with open_inventory(published) as connection:
        for question, sql in EXAMPLES.items():
            CONSOLE.print(f"\n[bold]{question}[/bold]\n[dim]{sql.strip()}[/dim]")
            _print_rows(connection.execute(sql))


def _print_rows(result: duckdb.DuckDBPyConnection) -> None:
    table = Table()
    for column in result.description or []:
        table.add_column(str(column[0]))
    for row in result.fetchall():
        table.add_row(*(_text(value) for value in row))
    CONSOLE.print(table)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
