"""Every file and heading that a page links or names exists."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from tests.support import ROOT

PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("docs/**/*.md")),
    *ROOT.glob("benchmarks/*.md"),
]
LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)")
# Paths of the repository in backticks.
NAMED = re.compile(r"`((?:pipelines|assets_defs|tests)/[\w./-]+)`")


def links() -> Iterator[tuple[Path, str, str]]:
    """Yield page, path and heading of each link within the repository."""
    for page in PAGES:
        for path, heading in LINK.findall(page.read_text()):
            yield page, unquote(path), heading


def headings(page: Path) -> set[str]:
    """Return the anchors of the headings, as GitHub and others create them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    anchors = [re.sub(r"[^\w\s-]", "", heading.lower()) for heading in found]
    return {anchor.strip().replace(" ", "-") for anchor in anchors}


def test_every_link_has_a_target() -> None:
    found = list(links())
    assert len(found) > 10
    broken = [
        (page.name, path, heading)
        for page, path, heading in found
        if not (target := page.parent / path if path else page).exists()
        or (heading and heading not in headings(target))
    ]
    assert broken == []


def test_every_named_file_exists() -> None:
    named = {(page.name, path) for page in PAGES for path in NAMED.findall(page.read_text())}
    assert len(named) > 10
    assert {(page, path) for page, path in named if not (ROOT / path).exists()} == set()
