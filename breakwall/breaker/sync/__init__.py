"""One breaker's copy of a circuit, and how it is kept in agreement with the others'.

`replica` says what a breaker asks of it. `local` is the copy of a circuit that only this process has: there is nothing
to agree on. `shared` is the copy of a circuit in a `store`: operations are collected in it, and a synchronization takes
them to the store. This folder imports nothing of the breaker but `circuit`, `config` and `forking`.
"""
