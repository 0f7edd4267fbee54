"""The operator's page: what it says (`verdict`), in two languages (`words`), as HTML made on the server.

Routes are in `routes`; `create_app` includes its router. Nothing else is imported from outside.
"""
