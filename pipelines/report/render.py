"""From facts to one page that loads nothing: templates, style and charts are all inside."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipelines.errors import InventoryError
from pipelines.report.charts import UNKNOWN, course_chart, coverage_chart, shares_chart
from pipelines.report.model import SEVERITIES, Count, Facts
from pipelines.report.queries import read_facts
from pipelines.sql import in_memory, quoted
from pipelines.storage.atomic import write_text


def write_report(inventory: Path, path: Path) -> Sequence[Facts]:
    """Write the report of a published file and rename it over the last one; what it says.

    The same file gives the same report, byte by byte.

    Args:
        inventory: the DuckDB file.
        path: the report.

    Raises:
        InventoryError: the report cannot be written; the last one stays.
        duckdb.Error: the file is missing or damaged, or there is no room to answer.
    """
    with in_memory() as connection:
        connection.execute(f"ATTACH {quoted(str(inventory))} AS inventory (READ_ONLY)")
        connection.execute("USE inventory")
        facts = read_facts(connection)
    try:
        write_text(render(facts), path)
    except OSError as error:
        raise InventoryError(
            f"{path}: cannot be written ({error.strerror}); when that is mended, "
            "`jumpcloud-inventory rebuild` writes it"
        ) from None
    return facts


# What is beyond stays in the file: a page of more is opened by no browser at once.
MAX_BYTES = 1_500_000
MAX_LISTED = 1_000
MINUTE = 60
NOTHING = "-"


def render(facts: Sequence[Facts]) -> str:
    """The page as HTML: a function of the facts alone.

    Of many integrations, those with most findings of high severity come first; sections beyond
    `MAX_BYTES` are left out, and rows of the table of integrations beyond `MAX_LISTED`.
    """
    environment = _environment()
    style = (resources.files(__package__) / "templates/style.css").read_text(encoding="utf-8")
    facts = sorted(facts, key=_order)
    page = environment.get_template("report.html")
    return page.render(
        title="Inventory report",
        style=Markup(style),  # noqa: S704 -- the project's own file
        style_hash=_content_hash(style),
        facts=facts,
        listed=facts[:MAX_LISTED],
        sections=_sections(environment, facts),
        newest=max((each.pull.started_at for each in facts), default=None),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pipelines.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"severities": SEVERITIES, "unknown": UNKNOWN}
    environment.filters |= {
        "date": lambda at: f"{at:%Y-%m-%d}",
        "difference": _difference,
        "duration": _duration,
        "number": _number,
        "percent": _percent,
        "time": _time,
        "words": _words,
    }
    return environment


def _order(facts: Facts) -> tuple[object, ...]:
    return (*(-facts.count(severity) for severity in SEVERITIES), facts.name)


def _sections(environment: Environment, facts: Sequence[Facts]) -> Mapping[str, Markup]:
    """The section of each integration, as far as there is room; of the first in any case."""
    sections: dict[str, Markup] = {}
    room = MAX_BYTES
    for each in facts:
        section = _section(environment, each, is_alone=len(facts) == 1)
        room -= len(section.encode())
        if sections and room < 0:
            break
        sections[each.name] = section
    return sections


def _section(environment: Environment, facts: Facts, *, is_alone: bool) -> Markup:
    text = environment.get_template("integration.html").render(
        facts=facts,
        is_alone=is_alone,
        found=[each for each in facts.findings if each.count],
        not_found=[each for each in facts.findings if not each.count and each.is_answerable],
        courses={
            each.table: course_chart(f"{_words(each.table)} over time", each.table, facts.course)
            for each in facts.counts
        },
        systems=shares_chart("Operating systems of devices", facts.systems),
        contacts=shares_chart("Last contact of devices before the pull", facts.contacts),
        coverage=coverage_chart("Coverage in percent", facts.coverage),
    )
    return Markup(text)  # noqa: S704 -- the template escaped it


def _content_hash(text: str) -> str:
    """How a content security policy names a style sheet that stands in the page."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _number(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"


def _percent(count: int, total: int) -> str:
    """Neither none nor all where it is a few or nearly all."""
    if count in {0, total}:
        return "100 %" if count else "0 %"
    return f"{min(max(100 * count / total, 0.1), 99.9):.1f} %"


def _time(at: datetime) -> Markup:
    return Markup('<time datetime="{}">{} UTC</time>').format(
        at.isoformat(timespec="seconds"), f"{at:%Y-%m-%d %H:%M}"
    )


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // MINUTE} min {whole % MINUTE} s" if whole >= MINUTE else f"{seconds:.1f} s"


def _words(table: str) -> str:
    """A table's name as a heading."""
    words = table.replace("_", " ").capitalize()
    return words.replace("Ipv4", "IPv4").replace("ipv4", "IPv4")


def _difference(count: Count) -> str:
    if count.now is None:
        return "not pulled"
    if count.before is None:
        return "first snapshot"
    difference = count.now - count.before
    return f"{difference:+,} since last time" if difference else "as last time"
