"""How the commands speak: data on stdout, everything else on stderr, as text or as JSON.

The commands of every part import from `breakwall.terminal.output`, `.words` and `.options`; only
`breakwall.cli` imports `.errors`. Nothing here is slow to import.
"""
