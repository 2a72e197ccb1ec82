"""Spans and metrics of a run: what is switched on hears of every node, and nothing here is imported before."""
