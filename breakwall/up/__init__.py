"""`breakwall up`: a whole site in one terminal, with the user's own settings, until Ctrl-C.

Only `breakwall.cli` imports it.
"""
