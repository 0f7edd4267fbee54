"""What arrives over the broker, read strictly: orders' messages, kombu's envelopes, commands to a worker. Pure.

Whatever cannot be read is strange and is set aside. Nothing that another program wrote goes any further: neither a
header that tells Celery to wait, to call something else or to answer, nor a text that breaks a line.
"""
