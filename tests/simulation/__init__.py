"""The whole pipeline in virtual time: one seed is one run, and the same seed is the same run again.

The real producer, ledger, task, dispatcher and breaker run; the clock, the network, the payment service, the broker
and the processes' lives are simulated. What the payment service has charged, by its own ledger, is held against the
orders. `python -m tests.simulation --seeds 1000` tries new seeds, `--seed S` tells one run's whole story. The idea
is FoundationDB's: Will Wilson, "Testing Distributed Systems w/ Deterministic Simulation", Strange Loop 2014.
"""
