"""Decisions afterwards: their log, the recorded reason, and feedback."""
