"""Who may call the API: tokens with scopes, stored as digests. It knows no HTTP.

May import payments and settings. `web` and the commands may import its modules.
"""
