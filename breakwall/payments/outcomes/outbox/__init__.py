"""The tables of the outbox: which events are due where, who delivers them now, and what became of it.

Each function is a part of a short transaction, and each statement is for all events of a batch: `waiting` looks what
there is to do, `taking` writes the deliveries of new events, `claiming` claims what is due, `recording` records how it
ended. Only `outcomes` imports from here.
"""
