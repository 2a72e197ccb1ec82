"""The nodes: one file each, its function of the same name, read in the order of the picture.

A node takes the state, the run's settings and the services, and returns what it changes.
"""
