"""What this process runs in: patched threads and sockets, exhausted resources, rights of files.

Imports nothing else of Breakwall but `log_throttle`.
"""
