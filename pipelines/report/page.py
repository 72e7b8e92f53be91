"""Write the inventory page: one HTML file to search and browse, without a server or a network."""

import base64
import gzip
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from markupsafe import Markup

from pipelines.findings.catalog import FINDINGS
from pipelines.report.page_data import SHOWN, PageData, read_page_data
from pipelines.report.render import build_environment, content_hash, open_published, write_html


def write_page(inventory: Path, path: Path) -> None:
    """Write the page of a published file, and replace the previous one.

    The same file gives the same page, byte for byte.

    Args:
        inventory: the DuckDB file.
        path: the page.

    Raises:
        InventoryError: the page cannot be written; the previous one stays.
        duckdb.Error: the file is missing or damaged, or the disk is full.
    """
    with open_published(inventory) as connection:
        data = read_page_data(connection)
        query = "SELECT integration, epoch(last_success_at)::BIGINT FROM integrations ORDER BY ALL"
        integrations = connection.sql(query).fetchall()
    content = _content(data, integrations)
    write_html(_render(content), path)


def _content(data: PageData, integrations: Sequence[tuple[str, int]]) -> dict[str, object]:
    """Return the data of the page, and what its script has to know of the tables."""
    times = {
        column.name
        for table in SHOWN
        for column in table.published_columns
        if column.type == "TIMESTAMPTZ"
    }
    return {
        "tables": data.tables,
        "omitted": data.omitted,
        "narrowed": data.narrowed,
        "integrations": integrations,
        "keys": {table.name: table.key[0] for table in SHOWN},
        "labels": {table.name: (*table.labels, table.key[0]) for table in SHOWN},
        "times": sorted(times),
        "findings": [(f.name, f.severity, f.title, f.why, f.remedy) for f in FINDINGS],
    }


def _render(content: object) -> str:
    folder = resources.files(__package__) / "templates"
    names = ("style.css", "page.css", "page.js")
    style, own_style, script = ((folder / name).read_text(encoding="utf-8") for name in names)
    style += own_style
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    # Base64 has no character that could end the element.
    data = base64.b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode()
    template = build_environment().get_template("page.html")
    return template.render(
        style=Markup(style),  # noqa: S704 -- the project's own file
        script=Markup(script),  # noqa: S704 -- the project's own file
        style_hash=content_hash(style),
        script_hash=content_hash(script),
        data=data,
    )
