"""Spans and metrics of a run: observers that are switched on watch every node; otherwise nothing here is imported."""
