"""The expected tables and findings of a simulated organization.

They are computed without the code under test. The wheel does not contain this package.
"""

from pipelines.simulator.oracle.findings import findings
from pipelines.simulator.oracle.paths import application_paths, system_paths
from pipelines.simulator.oracle.tables import expected_tables

__all__ = ["application_paths", "expected_tables", "findings", "system_paths"]
