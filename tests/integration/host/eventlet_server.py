"""`shop` served by eventlet, which patches ``early`` or ``late``: ``eventlet_server.py PORT WHEN``."""

from __future__ import annotations

import sys

import eventlet
import eventlet.wsgi

if sys.argv[2] == "early":
    eventlet.monkey_patch()

import shop

if sys.argv[2] == "late":
    eventlet.monkey_patch()

eventlet.wsgi.server(eventlet.listen(("127.0.0.1", int(sys.argv[1]))), shop.application)
