"""`breakwall backlog`: the snapshot of `breakwall.monitor` as text or JSON, once or again and again.

`command` is what the command line mounts; `breakwall workers` uses the warnings in `sentences`.
"""
