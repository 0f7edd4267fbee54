"""The orders database: its tables, its clock, short transactions, and how it is migrated.

Knows no rule of an order.
"""
