"""`breakwall doctor`: checks everything that the settings name and advises on each problem. A module for each check.

It looks, and creates, migrates or charges nothing. Imported by the command line only: `checks` and `findings`.
"""
