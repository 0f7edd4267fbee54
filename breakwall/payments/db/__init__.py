"""The orders database: its tables, its clock, short transactions, and its migrations.

It contains no rules about orders. Import `Database` and its errors from `database`, tables from `schema`.
"""
