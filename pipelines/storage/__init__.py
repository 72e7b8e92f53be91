"""Bytes: atomic writes, locks, disk errors and the object store."""
