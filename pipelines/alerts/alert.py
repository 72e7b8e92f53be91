"""What an alert reports, and its text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipelines.findings.opened import Opened
from pipelines.history.removal_guard import accept_hint

Event = Literal["failed", "late", "recovered", "findings", "test"]
_TITLES = {
    "failed": "the last run failed",
    "late": "the inventory is late",
    "recovered": "it works again",
    "findings": "findings opened",
    "test": "this is a test",
}


@dataclass(frozen=True)
class Alert:
    """A notice about an integration.

    Attributes:
        integration: its name; empty for a test.
        event: `failed`, a run failed; `late`, the last success is too long ago; `recovered`, a run
            published after one of these; `findings`, findings opened; `test`.
        cause: reason.
        remedy: how to fix it.
        run_id: Dagster's id of the failed run; empty for others.
        head_sha256: digest of its latest manifest, so that it is kept elsewhere; empty if nothing
            was published.
        findings: what opened, the highest severity first.
        snapshot_id: snapshot with which it opened.
    """

    integration: str
    event: Event
    cause: str
    remedy: str
    run_id: str = ""
    head_sha256: str = ""
    findings: Sequence[Opened] = ()
    snapshot_id: str = ""

    @property
    def title(self) -> str:
        """Return the alert as one short line."""
        of = f"integration {self.integration!r}: " if self.integration else ""
        return f"jumpcloud-inventory: {of}{_TITLES[self.event]}"

    @property
    def text(self) -> str:
        """Return the alert as one paragraph."""
        head = f". Head of its history: {self.head_sha256}" if self.head_sha256 else ""
        return f"{self.title}: {self.cause.rstrip('.')}. {self.remedy}{head}"

    @property
    def is_resolved(self) -> bool:
        """Return True if it ends an earlier alert."""
        return self.event == "recovered"


def failure_alert(integration: str, cause: str, run_id: str = "") -> Alert:
    """Return the alert of a failed run."""
    accept = accept_hint(integration)
    if cause.endswith(accept):
        return Alert(integration, "failed", cause.removesuffix(accept).rstrip(), accept, run_id)
    remedy = (
        f"When that is fixed, run `jumpcloud-inventory run {integration}` or wait for its schedule"
    )
    return Alert(integration, "failed", cause, remedy, run_id)


def findings_alert(integration: str, snapshot_id: str, opened: Sequence[Opened]) -> Alert:
    """Return the alert of opened findings."""
    remedy = f"See `jumpcloud-inventory sql 'FROM findings.{opened[0].finding}'`"
    cause = "; ".join(one.text for one in opened)
    return Alert(integration, "findings", cause, remedy, findings=opened, snapshot_id=snapshot_id)
