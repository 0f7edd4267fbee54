"""The orders database: its tables, its clock, short transactions, and its migrations.

It knows no rules about orders. Import `Database` and its errors from `database`, the tables from `schema`.
"""
