"""Names that other programs read, so they stay."""

BACKLOG_FIELDS = {
    "at",
    "counted",
    "age_seconds",
    "amounts",
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
    "drain_eta_range_seconds",
    "limit",
    "in_hand",
    "paused",
    "rate",
    "blocked_by",
}
"""Fields of a backlog's document that monitoring may read."""
