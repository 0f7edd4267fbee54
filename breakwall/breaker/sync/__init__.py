"""One breaker's copy of a circuit (its replica), and how it is synchronized with the copies of other processes.

`memory` is for a circuit of this process alone. `shared` is for a circuit in a store: it collects operations, and a
synchronization stores them. This folder imports only `circuit`, `config` and `forking` of the breaker.
"""
