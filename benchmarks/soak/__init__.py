"""A soak test: thousands of runs with faults, clients that leave, kills and hangs, and what is lost or leaked by them.

python -m benchmarks.soak --runs 400

questions.py  the requests, and how each may end    places.py     what is asked, and how; a2a.py, answers.py
processes.py  what is killed and paused             worker.py     one of these processes
run.py        asking and counting                   ledger.py     the files against what was answered
held.py       what a process holds                  hook/         what its processes run first, so that they tell
"""
