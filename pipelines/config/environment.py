"""Environment variables: their names, and the data directory they select."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from pipelines.errors import SettingsError

CONFIG_VARIABLE = "JUMPCLOUD_INVENTORY_CONFIG"
HOME_VARIABLE = "JUMPCLOUD_INVENTORY_HOME"
WORK_VARIABLE = "JUMPCLOUD_INVENTORY_WORK"
DEFAULT_HOME = "data"
KEY_VARIABLE = "JUMPCLOUD_API_KEY"
# Neither credentials nor anything else that an address of the web may hold.
_OBJECT_STORE = re.compile(r"(s3|gs|az)://([\w.-]+)((?:/[\w.=-]+)*)/?", re.ASCII)


def home(environment: Mapping[str, str] = os.environ) -> Path:
    """The absolute data directory: `JUMPCLOUD_INVENTORY_HOME`, or `data` here.

    Where the data are in an object store, the working directory of this machine:
    `JUMPCLOUD_INVENTORY_WORK`, or for `s3://bucket/prefix` the directory `data/s3/bucket/prefix`.

    Raises:
        SettingsError: as `object_store_url`.
    """
    url = object_store_url(environment)
    if url is None:
        return Path(environment.get(HOME_VARIABLE) or DEFAULT_HOME).absolute()
    default = Path(DEFAULT_HOME, *re.split(":?/+", url))
    return Path(environment.get(WORK_VARIABLE) or default).absolute()


def object_store_url(environment: Mapping[str, str] = os.environ) -> str | None:
    """The address of the object store that the data are in; None where they are in a directory.

    Raises:
        SettingsError: it is an address of something else.
    """
    given = environment.get(HOME_VARIABLE, "")
    if "://" not in given:
        return None
    if not _OBJECT_STORE.fullmatch(given):
        scheme = given.partition("://")[0]
        raise SettingsError(
            f"{HOME_VARIABLE} or --data-dir: an address with {scheme}:// is no place for the "
            "inventory; name a directory, or s3://, gs:// or az:// with a bucket and a prefix of "
            "plain names, and leave credentials to the environment"
        )
    return given.rstrip("/")
