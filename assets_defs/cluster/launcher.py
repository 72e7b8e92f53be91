"""Deprecated import path: use `assets_defs.celery.launcher`."""

import warnings

from assets_defs.celery.launcher import WatchingCeleryRunLauncher

__all__ = ["WatchingCeleryRunLauncher"]

warnings.warn(
    "assets_defs.cluster.launcher is deprecated; use assets_defs.celery.launcher",
    DeprecationWarning,
    stacklevel=2,
)
