"""Charts as SVG inside a page: pygal places the shapes, the page's style sheet colors them."""

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Comment, Element, tostring

import pygal
from markupsafe import Markup
from pygal.etree import etree
from pygal.graph.graph import Graph
from pygal.style import Style

from pipelines.report.model import Coverage, Point, Share

UNKNOWN = "not known"
LABEL_LENGTH = 24
# As in the style sheet: pygal leaves room for labels of this size.
FONT_SIZE = 12
COURSE_SIZE = (190, 80)
WIDTH = 460
HEIGHT_AROUND = 46
HEIGHT_OF_A_BAR = 30
# What needs pygal's own script or style sheet, and comments: one tells the day.
_LEFT_OUT: frozenset[object] = frozenset({"defs", "desc", "title", Comment})
_LONG_NUMBER = re.compile(r"\d+\.\d\d+")

# The element classes of lxml, where that is installed, are others.
etree.to_etree()


def course_chart(name: str, table: str, course: Sequence[Point]) -> Markup:
    """A line of the rows of a table over the times of the snapshots, from zero.

    Args:
        name: what the chart shows, for those who cannot see it.
        table: the table's name.
        course: oldest first, at least one.
    """
    values = [(each.at.timestamp(), each.rows.get(table, 0)) for each in course]
    highest = max(count for _, count in values)
    width, height = COURSE_SIZE
    chart = _chart(
        pygal.XY,
        width,
        height,
        show_dots=len(values) == 1,
        show_x_labels=False,
        range=(0, max(highest, 1)),
        y_labels=[{"value": count, "label": f"{count:,}"} for count in sorted({0, highest})],
    )
    chart.add(name, values)
    return _inline(chart, name)


def shares_chart(name: str, shares: Sequence[Share]) -> Markup:
    """A bar for each share, the first on top."""
    most = max((each.count for each in shares), default=0)
    chart = _bars(
        pygal.HorizontalBar,
        [each.label or UNKNOWN for each in shares],
        range=(0, max(most, 1)),
        y_labels=[{"value": count, "label": f"{count:,}"} for count in sorted({0, most})],
    )
    chart.add(name, [each.count for each in reversed(shares)])
    return _inline(chart, name)


def coverage_chart(name: str, coverage: Sequence[Coverage]) -> Markup:
    """A bar for each protection, of those that have it, have it not, and do not say, in percent."""
    chart = _bars(
        pygal.HorizontalStackedBar,
        [each.what for each in coverage],
        range=(0, 100),
        y_labels=[{"value": share, "label": f"{share} %"} for share in (0, 50, 100)],
    )
    for part in ("yes", "no", "unknown"):
        counts = [(getattr(each, part), each.total) for each in reversed(coverage)]
        chart.add(part, [100 * count / max(total, 1) for count, total in counts])
    return _inline(chart, name)


def _bars(kind: type[Graph], labels: Sequence[str], **options: object) -> Graph:
    height = HEIGHT_AROUND + HEIGHT_OF_A_BAR * len(labels)
    return _chart(kind, WIDTH, height, x_labels=[*map(_short, reversed(labels))], **options)


def _chart(kind: type[Graph], width: int, height: int, **options: object) -> Graph:
    return kind(
        width=width,
        height=height,
        style=Style(label_font_size=FONT_SIZE, major_label_font_size=FONT_SIZE),
        js=[],
        show_legend=False,
        margin=8,
        no_prefix=True,
        **options,
    )


def _short(label: str) -> str:
    return label if len(label) <= LABEL_LENGTH else f"{label[: LABEL_LENGTH - 1]}…"


def _inline(chart: Graph, name: str) -> Markup:
    """The chart's shapes and labels alone, with a name for those who cannot see it."""
    root: Element = chart.render_tree()
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in _LEFT_OUT or "style" in child.attrib:
                parent.remove(child)
        for attribute, value in parent.attrib.items():
            parent.set(attribute, _LONG_NUMBER.sub(lambda long: f"{float(long[0]):.1f}", value))
    for attribute in ("id", "xmlns"):
        root.attrib.pop(attribute, None)
    root.attrib |= {"class": "chart", "role": "img", "aria-label": name}
    return Markup(tostring(root, encoding="unicode"))  # noqa: S704 -- ElementTree escapes it
