"""Benchmarks: the whole pipeline against a simulated JumpCloud, measured process by process."""
