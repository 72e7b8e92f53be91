"""Deprecated import path: use `from pipelines import open_inventory`."""

import warnings

from pipelines.publish.reader import open_inventory

__all__ = ["open_inventory"]

warnings.warn(
    "pipelines.load.reading is deprecated; use `from pipelines import open_inventory`",
    DeprecationWarning,
    stacklevel=2,
)
