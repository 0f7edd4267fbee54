"""The `breakwall` command. A file or folder is named after each command; `app` mounts them.

Nothing imports it but `entry`, by which the command begins.
"""
