"""Decisions afterwards: the log of them, why one was taken, what a changed policy would do, and what people think."""
