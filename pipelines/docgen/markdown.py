"""Markdown elements of the generated pages."""

from collections.abc import Iterable, Mapping, Sequence


def format_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [header, ["---"] * len(header), *rows]
    # A vertical bar would end the cell.
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped) + "\n"


def format_list(descriptions: Mapping[str, str]) -> str:
    """Return a list of names and their descriptions."""
    return "".join(f"- `{name}`: {text}\n" for name, text in descriptions.items())


def format_names(names: Iterable[str]) -> str:
    """Return names as code, separated by commas."""
    return ", ".join(f"`{name}`" for name in names)
