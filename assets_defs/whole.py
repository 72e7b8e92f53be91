"""Whether the tables that lie ready are all of one pull, and passed their checks.

Dagster's blocking checks hold back the steps of the same run only, and anyone may materialize the
assets of a later step alone: a step takes nothing that the one before it did not leave whole.
"""

from pathlib import Path

from pipelines.config.environment import home
from pipelines.errors import InventoryError
from pipelines.storage.atomic import write_text

PULL = "pull"
TABLES = "tables"
_LATER = {PULL: (PULL, TABLES), TABLES: (TABLES,)}


def begin(step: str, integration: str) -> None:
    """Take it that neither this step's tables nor those made of them are whole."""
    for each in _LATER[step]:
        _mark(each, integration).unlink(missing_ok=True)


def finish(step: str, integration: str) -> None:
    """Take it that the step's tables are whole, and passed the checks that block."""
    write_text("", _mark(step, integration))


def require(step: str, integration: str) -> None:
    """Go on only if the step's tables are whole.

    Raises:
        InventoryError: they are not.
    """
    if not _mark(step, integration).exists():
        raise InventoryError(
            f"the tables of {integration!r} that lie ready are not of one whole pull that passed "
            "its checks; materialize all its assets together, or use "
            f"`jumpcloud-inventory run {integration}`"
        )


def _mark(step: str, integration: str) -> Path:
    return home() / "parquet" / "whole" / step / integration
