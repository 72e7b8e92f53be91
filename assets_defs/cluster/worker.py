"""Deprecated import path: use `assets_defs.celery.worker`."""

import warnings

from assets_defs.celery.worker import app

__all__ = ["app"]

warnings.warn(
    "assets_defs.cluster.worker is deprecated; use assets_defs.celery.worker",
    DeprecationWarning,
    stacklevel=2,
)
