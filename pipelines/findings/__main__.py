"""Prints `docs/findings.md`: `python -m pipelines.findings > docs/findings.md`."""

from pipelines.findings.document import document

print(document(), end="")  # noqa: T201 -- the page
