"""`breakwall doctor`: checks everything that the settings name, and gives advice for each problem.

It only reads: it creates, migrates and charges nothing. The command imports `checks`, `findings` and `machine`.
"""
