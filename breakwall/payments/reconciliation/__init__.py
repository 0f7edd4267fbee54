"""Compares a payment service's report with the ledger, both of any length. Follow `Reconciliation` in `run`.

For `breakwall orders reconcile`.
"""
