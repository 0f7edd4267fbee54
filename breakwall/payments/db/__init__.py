"""The orders database: its tables, its clock, short transactions, and its migrations.

The tables check what a row may hold; no rule decides here what happens to an order. Import `Database` and its errors
from `database`, the tables from `schema`, everything else from the module of its name.
"""
