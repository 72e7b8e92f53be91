"""A JumpCloud organisation on loopback: its API with all its quirks, faults on demand, the truth.

Imports nothing of the rest of the project, so that it cannot share its mistakes.
"""

from pipelines.simulator.api.behavior import Behavior, Call, Fault
from pipelines.simulator.api.provider import Provider
from pipelines.simulator.api.server import Server
from pipelines.simulator.data.awkward import awkward
from pipelines.simulator.data.generate import Sizes, generate
from pipelines.simulator.data.organization import Organization
from pipelines.simulator.data.records import ABSENT
from pipelines.simulator.data.violations import violations
from pipelines.simulator.oracle.findings import findings
from pipelines.simulator.oracle.paths import application_paths, system_paths
from pipelines.simulator.oracle.truth import truth

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
