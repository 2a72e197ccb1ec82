"""A soak test: thousands of runs with faults, clients that leave, kills and hangs, and what is lost or leaked by them.

python -m benchmarks.soak --runs 400

places.py     what is asked, and how     questions.py  the requests, and how each may end
processes.py  what is killed and paused  worker.py     one of these processes
run.py        asking and counting        ledger.py     the policy and the decision log against what was answered
"""
