"""What a person does to orders: retry, cancel, resolve, suspect after a restore, open and close incidents.

Import the class or function of the action from the module of its name. Each action is one transaction; bulk actions
are a series of short ones.
"""
