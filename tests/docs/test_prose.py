"""The prose check reads docs, docstrings and comments, and no code."""

from pathlib import Path

from tests.support.prose import PHRASES, markdown_prose, python_prose

PAGE = """\
It says so.

```sql
SELECT said
```

    told = 1

A `tell` in code, and one of which not.
"""
MODULE = '''\
"""Say it."""

told = "says"  # As if


class Thing:
    """A thing.

    It stands for another.
    """
'''


def phrases(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    return [(line, found[0]) for line, text in lines for found in PHRASES.finditer(text)]


def test_markdown_code_is_not_checked(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    assert phrases(list(markdown_prose(page))) == [(1, "says"), (9, "of which")]


def test_python_docstrings_and_comments_are_checked(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(MODULE)
    found = sorted(phrases(list(python_prose(module))))
    assert found == [(1, "Say"), (3, "As if"), (9, "stands for")]
