"""A real browser, where there is one."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

_BROWSERS = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
_CHROMIUM = next(filter(None, _BROWSERS), None)

NEEDS_CHROMIUM = pytest.mark.skipif(
    _CHROMIUM is None, reason="needs the browser chromium: apt-get install chromium"
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, until the end of the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=_CHROMIUM,
            # As root, as in a container, chromium has no sandbox.
            args=["--no-sandbox"] if os.geteuid() == 0 else [],
        )
        yield browser
        browser.close()
