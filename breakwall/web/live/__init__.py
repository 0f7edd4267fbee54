"""What changes by itself: the backlog, its history, the workers, and the stream of events. One snapshot serves all.

Routes and pages may import `live.poller`.
"""
