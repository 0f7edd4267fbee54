"""Who may call which route. `principal` is what the routes use; the rest stands before them.

Routes may import `web.access.principal`.
"""
