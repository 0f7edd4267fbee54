"""What a person does to orders: retry, cancel, resolve, suspect after a restore, close an incident.

For the command line and the web; each action is one transaction or a row of short ones.
"""
