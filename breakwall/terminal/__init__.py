"""How commands speak: data on stdout, everything else on stderr, as text or as JSON. Knows no command.

Everything here may be imported, and nothing is slow to import.
"""
