"""A JumpCloud organisation on loopback: its API with all its quirks, faults on demand, the truth.

Imports nothing of the rest of the project, so that it cannot share its mistakes.
"""

from pipelines.simulator.awkward import awkward
from pipelines.simulator.behavior import Behavior, Call, Fault
from pipelines.simulator.findings import findings
from pipelines.simulator.generate import Sizes, generate
from pipelines.simulator.organization import Organization
from pipelines.simulator.paths import application_paths, system_paths
from pipelines.simulator.provider import Provider
from pipelines.simulator.records import ABSENT
from pipelines.simulator.server import Server
from pipelines.simulator.truth import truth
from pipelines.simulator.violations import violations

__all__ = [
    "ABSENT",
    "Behavior",
    "Call",
    "Fault",
    "Organization",
    "Provider",
    "Server",
    "Sizes",
    "application_paths",
    "awkward",
    "findings",
    "generate",
    "system_paths",
    "truth",
    "violations",
]
