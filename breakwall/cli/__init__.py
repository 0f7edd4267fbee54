"""The `breakwall` command. A file or folder is named after each command; the other files are what commands share.

`app` mounts the commands. May import every other part. Only `breakwall.entry` imports it.
"""
