"""Stripe for the tests: `localstripe` in a process of its own, and a proxy for what it lacks and for faults."""
