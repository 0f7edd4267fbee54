"""`host_shop` served by eventlet, which patches ``early`` or ``late``: ``host_eventlet.py PORT WHEN``."""

from __future__ import annotations

import sys

import eventlet
import eventlet.wsgi

if sys.argv[2] == "early":
    eventlet.monkey_patch()

import host_shop

if sys.argv[2] == "late":
    eventlet.monkey_patch()

eventlet.wsgi.server(eventlet.listen(("127.0.0.1", int(sys.argv[1]))), host_shop.application)
