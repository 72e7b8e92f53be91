"""Faster storages of Dagster for all tests of this folder."""

import pytest

from tests.support.engines import keep_engines


@pytest.fixture(scope="session", autouse=True)
def engines() -> None:
    keep_engines()
