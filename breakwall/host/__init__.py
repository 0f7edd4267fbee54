"""This process's environment: patched threads and sockets, exhausted resources, file permissions.

Every part may import its modules. Of Breakwall it imports only `log_throttle`.
"""
