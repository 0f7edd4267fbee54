"""The shops in `examples`: each is run by the commands of its README, and each keeps the same promises.

`shop_in_this_process` loads one into the tests' process, `running_shop` runs one as its README says.
"""
