"""The circuit as a value: its state, its window, its transitions and how it is encoded. Pure: no clock, no I/O.

`sync` and `stores` import from this folder; it imports nothing from them.
"""
