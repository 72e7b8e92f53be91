"""Environment variables: their names, and the data directory they select."""

import re
from collections.abc import Mapping
from pathlib import Path

from pipelines.errors import SettingsError

CONFIG_VARIABLE = "JUMPCLOUD_INVENTORY_CONFIG"
HOME_VARIABLE = "JUMPCLOUD_INVENTORY_HOME"
WORK_VARIABLE = "JUMPCLOUD_INVENTORY_WORK"
DEFAULT_HOME = "data"
DAGSTER_HOME_VARIABLE = "DAGSTER_HOME"
KEY_VARIABLE = "JUMPCLOUD_API_KEY"
# No credentials, query or fragment: the address is shown in messages.
_OBJECT_STORE = re.compile(r"(s3|gs|az)://([\w.-]+)((?:/[\w.=-]+)*)/?", re.ASCII)


def data_directory(environment: Mapping[str, str]) -> Path:
    """Return the absolute data directory: `JUMPCLOUD_INVENTORY_HOME`, or `data` here.

    For an object store, return the working directory of this machine:
    `JUMPCLOUD_INVENTORY_WORK`, or `data/s3/bucket/prefix` for `s3://bucket/prefix`.

    Raises:
        SettingsError: the address of the object store is not valid.
    """
    url = object_store_url(environment)
    if url is None:
        return Path(environment.get(HOME_VARIABLE) or DEFAULT_HOME).absolute()
    default = Path(DEFAULT_HOME, *re.split(":?/+", url))
    return Path(environment.get(WORK_VARIABLE) or default).absolute()


def object_store_url(environment: Mapping[str, str]) -> str | None:
    """Return the address of the object store; None if the inventory is in a directory.

    Raises:
        SettingsError: the address is not valid.
    """
    given = environment.get(HOME_VARIABLE, "")
    if "://" not in given:
        return None
    if not is_object_store(given):
        scheme = given.partition("://")[0]
        raise SettingsError(
            f"{HOME_VARIABLE} or --data-dir: the {scheme}:// address is not valid; name a "
            "directory, or s3://, gs:// or az:// with a bucket and a prefix of plain names. Set "
            "credentials in the environment"
        )
    return given.rstrip("/")


def is_object_store(address: str) -> bool:
    """Return True for a valid address of an object store, which never has credentials."""
    return _OBJECT_STORE.fullmatch(address) is not None
