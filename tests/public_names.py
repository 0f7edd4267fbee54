"""Names that other programs read, so they stay."""

BACKLOG_FIELDS = {
    "queued",
    "due",
    "in_flight",
    "review",
    "dead",
    "oldest_age_seconds",
    "oldest_due_age_seconds",
    "workers",
    "warnings",
    "broker_messages",
    "breaker",
    "drain_eta_seconds",
}
"""Fields of a backlog's document that monitoring may read."""
