"""Child processes that die with the process that started them, for the embedded broker, the demo and `up`.

Import `Child` and its helpers from `processes.child`.
"""
