"""The history of the backlog: a sample each ten seconds in the database, by one process at a time, thinned with age.

`sampler` runs in each worker and each API process; `read` gives the points of a chart. Without the table (before
revision 0008) nothing is sampled, and the history is empty.
"""
