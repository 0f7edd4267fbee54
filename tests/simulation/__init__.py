"""The whole pipeline in virtual time: one seed is one run, and the same seed is the same run again.

The real producer, ledger, task, dispatcher, outcome loop and breaker run. The clock, the network, the payment service,
the broker, the shop and the processes' lives are simulated. At the end the orders are compared with the payment
service's own ledger, and with what the shop has taken.
`python -m tests.simulation --seeds 1000` tries new seeds, `--seed S` prints the trace of one run. The idea
is FoundationDB's: Will Wilson, "Testing Distributed Systems w/ Deterministic Simulation", Strange Loop 2014.
"""
