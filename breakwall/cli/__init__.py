"""The `breakwall` command: a file or folder named after each command; `app` mounts them.

May import every other part. Only `breakwall.entry` imports it.
"""
