"""Types of records, and ids, times and secrets in JumpCloud's formats."""

import random
import re
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, Literal

Record = dict[str, Any]
"""One API record: its JSON object."""


class Absent(Enum):
    """Marker of a key that is missing from the JSON object, as opposed to null."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT

Attributes = dict[str, Any] | None | Literal[Absent.ABSENT]
"""Attributes of an edge: an object, null, or a missing key."""

Target = tuple[str, str]
"""One end of an edge: its graph type (`user`, `user_group`, ...) and its id."""

OBJECT_ID: Final = re.compile(r"[0-9a-fA-F]{24}")
SECRET: Final = re.compile(r"simsecret[0-9a-f]{32}")


class Rng(random.Random):
    """A seeded generator of random numbers and events."""

    def chance(self, share: float) -> bool:
        """Return True with this probability."""
        return self.random() < share


class Ids:
    """Unique 24-hex ids in MongoDB's format: time, machine, counter.

    Args:
        rng: Source of the ids; equal generators give equal ids.
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
    """Return one line of text that is recognizable as a secret anywhere."""
    return f"simsecret{rng.getrandbits(128):032x}"


def sudo(*, enabled: bool = True, without_password: bool = False) -> Record:
    """Return the attributes of an edge that defines sudo."""
    return {"sudo": {"enabled": enabled, "withoutPassword": without_password}}


def timestamp(moment: datetime) -> str:
    """Return a time in JumpCloud's format: UTC, milliseconds, `Z`."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
