"""The nodes: one file each, its function of the same name, in the order of the drawn graph.

A node takes the state, the run's settings and the services, and returns what it changes.
"""
