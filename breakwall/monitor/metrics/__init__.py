"""The numbers of ``/metrics``: `gauges` from one snapshot, `totals` from the orders, as `families` without any format.

May import what monitor may. `web.metrics` writes them as Prometheus reads them.
"""
