"""`omni-router doctor`: ask the real world one cheap question each, since no test can.

checks.py       the table of checks, and how they are made    examination.py  one check, its outcome, what to do
online.py       the Hub, the router of Inference Providers, LMArena   model_calls.py  one chat, one image
provider_calls.py  the providers that the policy declares
machine.py      encoder, caches, database, disk               shapes.py       what differs, field by field
expected_answers.py  the answers that are expected

The checks go through the same functions as a run, and compare what came over the wire. With the sandbox active it
answers, and nothing differs: what is expected is what the sandbox simulates.
"""
