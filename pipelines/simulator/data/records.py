"""The vocabulary of records: ids, times and secrets as JumpCloud writes them."""

import random
import re
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, Literal

Record = dict[str, Any]
"""One API record, exactly as its JSON object."""


class Absent(Enum):
    """Stands for a key that the JSON object does not have, as opposed to a null."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT

Attributes = dict[str, Any] | None | Literal[Absent.ABSENT]
"""Attributes of an edge: an object, null, or no such key."""

Target = tuple[str, str]
"""An end of an edge: its graph type (`user`, `user_group`, ...) and its id."""

OBJECT_ID: Final = re.compile(r"[0-9a-fA-F]{24}")
SECRET: Final = re.compile(r"simsecret[0-9a-f]{32}")


class Rng(random.Random):
    """A seeded generator that also answers "does this happen?"."""

    def chance(self, share: float) -> bool:
        """Return True in this share of all calls."""
        return self.random() < share


class Ids:
    """Unique 24-hex ids of the form MongoDB gives: time, machine, counter.

    Args:
        rng: Where the ids come from; equal generators give equal ids.
    """

    def __init__(self, rng: Rng) -> None:
        self._rng = rng
        self._machine = f"{rng.getrandbits(40):010x}"
        self._count = rng.getrandbits(16)

    def new(self) -> str:
        """Return the next id; the time part is random, so ids do not sort by creation."""
        self._count += 1
        seconds = 0x5F000000 + self._rng.getrandbits(26)
        return f"{seconds:08x}{self._machine}{self._count:06x}"


def secret(rng: Rng) -> str:
    """Return one line of text that can be told as a secret wherever it turns up."""
    return f"simsecret{rng.getrandbits(128):032x}"


def timestamp(moment: datetime) -> str:
    """Return a moment as JumpCloud writes it: UTC, milliseconds, `Z`."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
