"""HTTP within one deadline: resolve, connect, send, read, and close so that nothing is delivered later.

For the gateways alone; knows no payment.
"""
