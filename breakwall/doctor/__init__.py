"""`breakwall doctor`: looks at everything that the settings name, and says what to do.

Imported by the command line only. It looks; it makes, migrates and charges nothing.
"""
