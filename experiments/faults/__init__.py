"""Faults injected from outside, and what affect makes of them (`python -m experiments.faults`)."""
