"""A payment service that fails on command, with a durable ledger of its own.

A separate process: shares no code with what is tested against it. Import `SimulatorControl` from
`breakwall.simulator.client` to steer one; `breakwall simulator` runs one.
"""
