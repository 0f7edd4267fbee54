"""What this process runs in: who forks and switches threads here, what has run out, which files are private.

Imports nothing else of Breakwall.
"""
