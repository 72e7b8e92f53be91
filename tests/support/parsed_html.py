"""Parse an HTML page into elements, and read its tables."""

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
        """Return its text in document order, with single spaces."""
        parts = [part if isinstance(part, str) else part.text for part in self.texts]
        return " ".join(" ".join(parts).split())

    def all(self, tag: str = "", **attributes: str) -> list["Element"]:
        """Return the descendants with this tag and attributes (`data_name` means `data-name`)."""
        found = []
        wanted = {name.replace("_", "-"): value for name, value in attributes.items()}
        for child in self.children:
            if tag in {"", child.tag} and wanted.items() <= child.attributes.items():
                found.append(child)
            found += child.all(tag, **attributes)
        return found

    def one(self, tag: str = "", **attributes: str) -> "Element":
        """Return the only descendant with this tag and attributes."""
        (found,) = self.all(tag, **attributes)
        return found

    def rows(self) -> list[list[str]]:
        """Return the texts of the cells of the table's body."""
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
    """Return the page as a tree; fail if an element is not closed where it was opened."""
    parser = _Parser()
    parser.feed(page)
    parser.close()
    (root,) = parser.open
    return root


def text_of(file: Path) -> str:
    """Return the HTML of the report of a published file."""
    path = file.with_name("report.html")
    write_report(file, path)
    return path.read_text(encoding="utf-8")


def report_of(file: Path) -> Element:
    """Return the report of a published file as a tree."""
    return parsed(text_of(file))


def numbers(cells: list[str]) -> list[int]:
    """Return the counts that the cells begin with, without the percentage below."""
    return [int(cell.split()[0].replace(",", "")) for cell in cells]
