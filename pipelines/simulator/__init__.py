"""A simulated JumpCloud on loopback: its API with all its quirks, and faults on demand.

It imports nothing from the rest of the project, so that both cannot share a mistake.
"""

from pipelines.simulator.api.behavior import Behavior, Call, Fault
from pipelines.simulator.api.provider import Provider
from pipelines.simulator.api.server import Server
from pipelines.simulator.data.company import WEEK, Company
from pipelines.simulator.data.generate import Sizes, generate
from pipelines.simulator.data.organization import Organization
from pipelines.simulator.data.records import ABSENT

__all__ = [
    "ABSENT",
    "WEEK",
    "Behavior",
    "Call",
    "Company",
    "Fault",
    "Organization",
    "Provider",
    "Server",
    "Sizes",
    "generate",
]
