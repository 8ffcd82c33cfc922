"""Judges evidence, purely: no I/O, no clock of its own, no MLflow."""
