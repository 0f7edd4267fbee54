"""A payment service that fails on command, with a durable charge book of its own: `breakwall simulator` runs it.

It shares no code with what is tested against it. Other programs import `SimulatorControl` from `simulator.client`.
"""
