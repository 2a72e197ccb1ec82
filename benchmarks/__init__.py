"""Measurements, each a script: `make bench` runs them and writes docs/benchmarks.md.

Every figure is taken side by side with what it is compared to, in turns, in one process and one run.
"""
