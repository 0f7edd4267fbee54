"""Checks the URLs in the settings, so that no URL fails later, at its use. Import from the modules.

A check raises `ValueError` with what would be right, and never repeats the URL, which may hold a password. Libraries
are imported for rare forms only, because that is slow.
"""
