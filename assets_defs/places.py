"""Where the published things are, below the data directory."""

from pathlib import Path

from pipelines.load.history import History
from pipelines.settings import home


def history() -> History:
    """The history of the data directory."""
    return History(home() / "history")


def published_file() -> Path:
    """The DuckDB file that users open."""
    return home() / "inventory.duckdb"


def report_file() -> Path:
    """The report of the published file."""
    return home() / "report.html"


def staged_files() -> dict[str, list[Path]]:
    """By integration, the assets of its latest run and what a crash left of them."""
    files: dict[str, list[Path]] = {}
    for path in sorted(each for each in (home() / "parquet").rglob("*") if each.is_file()):
        files.setdefault(path.name.lstrip(".").partition(".")[0], []).append(path)
    return files


def publication_lock() -> Path:
    """Held while the history or the published file change."""
    return home() / "locks" / ".publication"


def scratch(integration: str) -> Path:
    """What a run of an integration keeps only while it lasts."""
    return home() / "scratch" / integration


def run_lock(integration: str) -> Path:
    """Held by the one run of an integration: its tables lie at the same place in every run."""
    return home() / "locks" / integration
