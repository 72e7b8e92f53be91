"""The pages name where the code is, and every path of a data directory."""

import inspect
import re

from pipelines import workspace
from tests.support import ROOT

CONTRIBUTING = ROOT / "CONTRIBUTING.md"
PUBLISHED = ROOT / "docs" / "reference" / "published.md"
# Paths in the docstring: a column of names, two spaces, a description.
LAYOUT_ROW = re.compile(r"^ {4}(\S.*?)  ", re.MULTILINE)
# The first part of a path in the code.
IN_CODE = re.compile(r'self\.root / "([\w.]+)"')


def first_parts(paths: str) -> set[str]:
    """Return the files and folders right in the data directory, from paths in a list."""
    return {path.partition("/")[0] for path in paths.split(", ")}


def layout() -> set[str]:
    """Return the files and folders that the module's docstring describes."""
    return set().union(*map(first_parts, LAYOUT_ROW.findall(workspace.__doc__ or "")))


def test_where_to_find_things_names_paths_that_exist() -> None:
    (section,) = re.findall(
        r"^## Where to find things\n(.+?)^## ", CONTRIBUTING.read_text(), re.MULTILINE | re.DOTALL
    )
    files = dict(re.findall(r"^\| ([a-z ]+) \| `(.+)` \|$", section, re.MULTILINE))
    assert len(files) == 12
    assert {path for path in files.values() if not (ROOT / path).exists()} == set()


def test_workspace_docstring_has_every_path() -> None:
    code = inspect.getsource(workspace.Workspace)
    assert layout() == set(IN_CODE.findall(code))


def test_published_paths_are_in_the_docstring() -> None:
    (table,) = re.findall(
        r"^\| path \| contents \|\n(.+?)\n\n", PUBLISHED.read_text(), re.MULTILINE | re.DOTALL
    )
    cells = re.findall(r"^\| (`.+?`) \|", table, re.MULTILINE)
    paths = {part for cell in cells for part in first_parts(cell.replace("`", ""))}
    assert len(paths) > 8
    assert paths <= layout()
