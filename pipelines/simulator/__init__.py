"""A JumpCloud organisation on loopback: its API with all its quirks, faults on demand, the truth.

Imports nothing of the rest of the project, so that it cannot share its mistakes.
"""

from pipelines.simulator.awkward import awkward
from pipelines.simulator.behavior import Behavior, Call, Fault
from pipelines.simulator.generate import Sizes, generate
from pipelines.simulator.organization import Organization
from pipelines.simulator.provider import Provider
from pipelines.simulator.records import ABSENT
from pipelines.simulator.server import Server
from pipelines.simulator.truth import truth

__all__ = [
    "ABSENT",
    "Behavior",
    "Call",
    "Fault",
    "Organization",
    "Provider",
    "Server",
    "Sizes",
    "awkward",
    "generate",
    "truth",
]
