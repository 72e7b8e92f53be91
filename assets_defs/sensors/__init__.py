"""The sensors: alerts, the combined file, partitions, retention of runs."""
