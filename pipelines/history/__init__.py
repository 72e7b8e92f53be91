"""Immutable snapshots of every pull, and what changed between them."""
