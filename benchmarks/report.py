"""What a measurement found: a Markdown table, and whether each goal holds."""

from collections.abc import Sequence
from dataclasses import dataclass, field

MIB = 1024 * 1024
GIB = 1024 * MIB


@dataclass(frozen=True)
class Goal:
    """A number that a measurement must reach.

    Attributes:
        what: the number in words.
        measured: what it was.
        bound: what it may be.
        unit: written behind both.
        at_least: whether the bound is the least, not the most.
    """

    what: str
    measured: float
    bound: float
    unit: str = ""
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether the goal is reached."""
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound

    def __str__(self) -> str:
        """One line of Markdown."""
        sign = "≥" if self.at_least else "≤"
        verdict = "holds" if self.holds else "MISSED"
        measured = f"{self.measured:.4g}{self.unit}"
        return f"- {verdict}: {self.what}: {measured} (goal {sign} {self.bound:g}{self.unit})"


@dataclass(frozen=True)
class Report:
    """The outcome of one benchmark."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    goals: Sequence[Goal]
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def holds(self) -> bool:
        """Whether every goal is reached."""
        return all(goal.holds for goal in self.goals)

    def __str__(self) -> str:
        """Markdown."""
        rule = ["---", *["---:"] * (len(self.columns) - 1)]
        table = [f"| {' | '.join(row)} |" for row in (self.columns, rule, *self.rows)]
        parts = ([f"## {self.title}"], table, self.notes, map(str, self.goals))
        return "\n\n".join(filter(None, map("\n".join, parts)))


def times(ratio: float) -> str:
    """A ratio as text."""
    return f"{ratio:.2f} x"


def mib(number: int) -> str:
    """Bytes as text."""
    return f"{number / MIB:,.0f} MiB"
