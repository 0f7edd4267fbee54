"""`breakwall demo`, an outage survived by real processes in under a minute, and `breakwall up`, a whole site.

Starts the commands that a user would start and looks at them from outside; nothing imports this but the
command line.
"""
