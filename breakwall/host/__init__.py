"""This process's environment: patched threads and sockets, exhausted resources, file permissions.

Of Breakwall it imports only `log_throttle`.
"""
