"""A parsed page: its elements, tables and figures."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

from pipelines.report.render import write_report

VOID = frozenset({"meta", "br", "img", "link", "input", "hr", "base"})


@dataclass
class Element:
    """An element of the page, with its text and its children."""

    tag: str
    attributes: dict[str, str]
    children: list["Element"] = field(default_factory=list)
    texts: list["str | Element"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Return the text in order, with whitespace collapsed."""
        parts = [each if isinstance(each, str) else each.text for each in self.texts]
        return " ".join(" ".join(parts).split())

    def all(self, tag: str = "", **attributes: str) -> list["Element"]:
        """Return the elements below with a tag and attributes (`data_name` is `data-name`)."""
        found = []
        wanted = {name.replace("_", "-"): value for name, value in attributes.items()}
        for child in self.children:
            if tag in {"", child.tag} and wanted.items() <= child.attributes.items():
                found.append(child)
            found += child.all(tag, **attributes)
        return found

    def one(self, tag: str = "", **attributes: str) -> "Element":
        """Return the only such element."""
        (found,) = self.all(tag, **attributes)
        return found

    def rows(self) -> list[list[str]]:
        """Return the cells of the body of a table."""
        body = self.one("tbody")
        return [[cell.text for cell in row.children] for row in body.all("tr")]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        self.open[-1].texts.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        self.open[-1].texts.append(data)


def parsed(page: str) -> Element:
    """Return the page as a tree; raise an error if it is not well-formed."""
    parser = _Parser()
    parser.feed(page)
    parser.close()
    (root,) = parser.open
    return root


def text_of(file: Path) -> str:
    """Return the report of a published file as HTML."""
    path = file.with_name("report.html")
    write_report(file, path)
    return path.read_text(encoding="utf-8")


def report_of(file: Path) -> Element:
    """Return the report of a published file as a tree."""
    return parsed(text_of(file))


def numbers(cells: list[str]) -> list[int]:
    """Return the counts at the start of cells, without the percentages below them."""
    return [int(cell.split()[0].replace(",", "")) for cell in cells]
