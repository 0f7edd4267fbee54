"""Compares a payment service's report with the orders, both of any length; changes nothing.

Data flows from `report` (lines) to `matching` (their orders), `staging` (sorted on disk) and `compare`; `run` drives
it. Import `Report`, `Period`, `Reconciliation` and `Discrepancy` from their modules. For `breakwall orders reconcile`.
"""
