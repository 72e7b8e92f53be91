"""The expected tables and findings of a simulated organization.

They are computed from the simulator's records, without the code under test.
"""

from tests.oracle.findings import findings
from tests.oracle.paths import application_paths, system_paths
from tests.oracle.tables import expected_tables

__all__ = ["application_paths", "expected_tables", "findings", "system_paths"]
