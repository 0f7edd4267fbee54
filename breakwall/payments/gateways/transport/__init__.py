"""HTTP/1.1 within one deadline: resolve, connect, write, read, and close so that nothing is delivered later.

For the gateways and `outcomes.webhook`: `connections.ConnectionPool`, `proxy.Proxy`, `errors`. Knows no payment.
"""
