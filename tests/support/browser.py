"""A real browser, if one is installed."""

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
    """Yield a browser that is closed at the end of the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=_CHROMIUM,
            # Chromium cannot use its sandbox as root, for example in a container.
            args=["--no-sandbox"] if os.geteuid() == 0 else [],
        )
        yield browser
        browser.close()
