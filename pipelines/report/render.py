"""Render the report as one HTML page that loads nothing: style and charts are part of it."""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from importlib import resources
from pathlib import Path

import duckdb
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from pipelines.errors import InventoryError
from pipelines.report.model import Count, IntegrationReport, Point
from pipelines.report.queries import read_reports
from pipelines.severity import SEVERITIES
from pipelines.sql import in_memory, quoted
from pipelines.storage.atomic import write_text

# A browser does not open a much larger page at once. The rest stays in the published file.
MAX_BYTES = 1_500_000
MAX_LISTED = 1_000


def write_report(inventory: Path, path: Path) -> Sequence[IntegrationReport]:
    """Write the report of a published file, replace the previous one and return its content.

    The same file gives the same report, byte for byte.

    Args:
        inventory: the DuckDB file.
        path: the report.

    Raises:
        InventoryError: the report cannot be written; the previous one stays.
        duckdb.Error: the file is missing or damaged, or the disk is full.
    """
    with open_published(inventory) as connection:
        reports = read_reports(connection)
    write_html(render(reports), path)
    return reports


@contextmanager
def open_published(inventory: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a connection that uses a published file."""
    with in_memory() as connection:
        connection.execute(f"ATTACH {quoted(str(inventory))} AS inventory (READ_ONLY)")
        connection.execute("USE inventory")
        yield connection


def write_html(text: str, path: Path) -> None:
    """Replace a page.

    Raises:
        InventoryError: it cannot be written; the previous one stays.
    """
    try:
        write_text(text, path)
    except OSError as error:
        raise InventoryError(
            f"{path}: cannot be written ({error.strerror}); fix the cause, then "
            "`jumpcloud-inventory rebuild` writes it"
        ) from None


def render(reports: Sequence[IntegrationReport]) -> str:
    """Return the page as HTML.

    Integrations with the most findings of high severity come first. Sections beyond `MAX_BYTES`
    are left out, and so are rows of the table of integrations beyond `MAX_LISTED`.
    """
    reports = sorted(reports, key=_sort_key)
    return render_page(
        "report.html",
        "Inventory report",
        reports=reports,
        listed=reports[:MAX_LISTED],
        removed=[report.name for report in reports if report.configured is False],
        partial=[report.name for report in reports[:MAX_LISTED] if report.notes],
        sections=_sections(reports),
        newest=max((report.pull.started_at for report in reports), default=None),
    )


def render_page(template: str, title: str, **values: object) -> str:
    """Return a page in the style of the report.

    Args:
        template: file name of the template.
        title: title of the page.
        values: variables of the template.
    """
    style = (resources.files(__package__) / "templates/style.css").read_text(encoding="utf-8")
    marked = Markup(style)  # noqa: S704 -- the project's own file
    fixed = {"title": title, "style": marked, "style_hash": content_hash(style)}
    return build_environment().get_template(template).render(**fixed, **values)


@cache
def build_environment() -> Environment:
    """Return the environment of the templates, which escapes every value."""
    environment = Environment(
        loader=PackageLoader("pipelines.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"severities": SEVERITIES, "unknown": "not known"}
    environment.filters |= {
        "code": _code,
        "date": lambda at: f"{at:%Y-%m-%d}",
        "difference": _difference,
        "duration": _duration,
        "heading": _heading,
        "number": _number,
        "percent": _percent,
        "polyline": _polyline,
        "time": _time,
    }
    return environment


def _sort_key(report: IntegrationReport) -> tuple[object, ...]:
    return (*(-report.count(severity) for severity in SEVERITIES), report.name)


def _sections(reports: Sequence[IntegrationReport]) -> Mapping[str, Markup]:
    """Return the sections by integration that fit into `MAX_BYTES`, and always the first."""
    template = build_environment().get_template("integration.html")
    sections: dict[str, Markup] = {}
    room = MAX_BYTES
    for report in reports:
        section = template.render(report=report, single=len(reports) == 1)
        room -= len(section.encode())
        if sections and room < 0:
            break
        sections[report.name] = Markup(section)  # noqa: S704 -- the template escaped it
    return sections


def content_hash(text: str) -> str:
    """Return the hash by which a content security policy allows an inline style sheet."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _polyline(trend: Sequence[Point], table: str) -> str:
    """Return the points of an SVG polyline of a table's rows over time, in a box of 100 x 100."""
    highest = max(point.rows.get(table, 0) for point in trend) or 1
    start, seconds = trend[0].at, (trend[-1].at - trend[0].at).total_seconds() or 1
    points = [
        f"{100 * (point.at - start).total_seconds() / seconds:.1f},"
        f"{100 - 100 * point.rows.get(table, 0) / highest:.1f}"
        for point in trend
    ]
    # A line of length zero with round ends is a dot; a single point would not be drawn.
    return " ".join(points * 2 if len(points) == 1 else points)


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _percent(count: int, total: int) -> str:
    """Return a percentage; 0 % and 100 % only if they are exact."""
    if count in {0, total}:
        return "100 %" if count else "0 %"
    return f"{min(max(100 * count / total, 0.1), 99.9):.1f} %"


def _time(at: datetime) -> Markup:
    return Markup('<time datetime="{}">{} UTC</time>').format(
        at.isoformat(timespec="seconds"), f"{at:%Y-%m-%d %H:%M}"
    )


def _code(text: str) -> Markup:
    """Return a text as HTML: what backticks enclose is code."""
    parts = text.split("`")
    return Markup().join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(parts)
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def _heading(table: str) -> str:
    """Return a table's name as a heading."""
    heading = table.replace("_", " ").capitalize()
    for word in ("IPv4", "IP", "RADIUS"):
        heading = re.sub(rf"\b{word}\b", word, heading, flags=re.IGNORECASE)
    return heading


def _difference(count: Count) -> str:
    if count.now is None:
        return "not pulled"
    if count.before is None:
        return "first snapshot"
    difference = count.now - count.before
    return f"{difference:+,} since last time" if difference else "as last time"
