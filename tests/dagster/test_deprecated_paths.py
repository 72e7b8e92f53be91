"""Import paths of version 0.1 still work, and their warning names the new path."""

import sys
from importlib import import_module

import pytest

import pipelines
from assets_defs.celery import launcher


@pytest.mark.parametrize(
    ("old", "name", "thing", "new"),
    [
        (
            "pipelines.load.reading",
            "open_inventory",
            pipelines.open_inventory,
            "use `from pipelines import open_inventory`",
        ),
        (
            "assets_defs.cluster.launcher",
            "WatchingCeleryRunLauncher",
            launcher.WatchingCeleryRunLauncher,
            "use assets_defs.celery.launcher",
        ),
    ],
)
def test_old_path_warns_with_the_new_one(
    old: str, name: str, thing: object, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, old, raising=False)
    with pytest.warns(DeprecationWarning, match=f"^{old} is deprecated; {new}$"):
        module = import_module(old)
    assert getattr(module, name) is thing
