"""`omni-router doctor`: ask the real world one cheap question each, since no test can.

examination.py  one check, its outcome, and what to do about it    shapes.py   what differs, field by field
remote.py       the Hub, the router of Inference Providers, LMArena  answers.py  the answers that are expected
model_calls.py  one chat, one image                                machine.py  encoder, caches, database, disk
checks.py       the table of checks

The checks go through the same functions as a run, and compare what came over the wire. With the sandbox active it
answers, and nothing differs: what is expected is what the sandbox simulates.
"""
