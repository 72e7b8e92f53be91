"""The asset checks: integrity, the removal guard and the findings."""
