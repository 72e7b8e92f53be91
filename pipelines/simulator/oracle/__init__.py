"""The expected tables and findings of a simulated organization.

Computed without the code under test. Tests and benchmarks use it; it is not in the wheel.
"""

from pipelines.simulator.oracle.findings import findings
from pipelines.simulator.oracle.paths import application_paths, system_paths
from pipelines.simulator.oracle.tables import expected_tables

__all__ = ["application_paths", "expected_tables", "findings", "system_paths"]
