"""The sensors: alerts, partitions, retention of runs, status."""
