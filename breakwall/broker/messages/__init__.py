"""Reads what arrives over the broker, strictly: orders' messages, kombu's envelopes, commands to a worker. Pure.

A message that cannot be read is strange and is set aside. Nothing else of another program's message is used: no header
that makes Celery wait, answer or call another task, and no text that breaks a line.
"""
