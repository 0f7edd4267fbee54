"""How the commands speak: data on stdout, everything else on stderr, as text or as JSON.

The commands of every part import from `breakwall.terminal.output`, `.words`, `.options`, `.authors`,
`.durations` and `.moments`; only `breakwall.cli.app` imports `.errors`, but for the exit codes. Nothing here is
slow to import.
"""
