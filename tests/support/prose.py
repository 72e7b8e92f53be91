"""Check the prose of docs, docstrings and comments for phrases that the house style replaces.

`make lint` runs it; codespell checks single words. `CONTRIBUTING.md` has the style.
"""

import ast
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tests.support import ROOT

FOLDERS = ("assets_defs", "benchmarks", "docs", "pipelines", "tests")
PHRASES = re.compile(
    r"\b(?:says?|said|saying|tells?|told|telling|in words|under way|of (?:which|what)|whose"
    r"|so that nobody|as if|stands? for|there (?:is|are) none of)\b",
    re.IGNORECASE,
)
NOT_PROSE = re.compile(r"^(```|~~~).*?^\1|^(?: {4}|\t).*?$|`[^`\n]*`", re.MULTILINE | re.DOTALL)

Prose = Iterator[tuple[int, str]]  # line number and text


def markdown_prose(path: Path) -> Prose:
    """Yield each line of a page, without its code."""
    text = NOT_PROSE.sub(lambda code: "\n" * code[0].count("\n"), path.read_text())
    yield from enumerate(text.splitlines(), 1)


def python_prose(path: Path) -> Prose:
    """Yield each docstring and comment of a module."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node, clean=False) or ""
            first = node.body[0].lineno if node.body else 1
            yield from enumerate(docstring.splitlines(), first)
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def main() -> int:
    """Print each phrase with its place; return 1 if there is one."""
    found = 0
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.[mp][dy]"))]
    for path in [*sorted(ROOT.glob("*.md")), *paths]:
        prose = markdown_prose(path) if path.suffix == ".md" else python_prose(path)
        for line, text in prose:
            for phrase in PHRASES.finditer(text):
                print(f"{path.relative_to(ROOT)}:{line}: {phrase[0]}")  # noqa: T201
                found += 1
    return min(found, 1)


if __name__ == "__main__":
    sys.exit(main())
