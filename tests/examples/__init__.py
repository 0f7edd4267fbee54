"""The shops in `examples`: each keeps the same promises, and each is run by the commands of its README.

`shops` opens them in the tests' process, `running_shop` runs one as its README says.
"""
