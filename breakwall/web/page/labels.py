"""The words for public names: states, outcomes, reasons, actions. They are translated where they are shown."""

from __future__ import annotations

from collections.abc import Mapping

from breakwall.web.page.words import Words, message

STATES = {
    "in_flight": message("in flight"),
    "queued": message("waiting"),
    "paid": message("paid"),
    "declined": message("declined"),
    "review": message("review"),
    "dead": message("dead"),
    "cancelled": message("cancelled"),
}

# A symbol beside each word, so that no colour is needed.
STATE_SYMBOLS = {
    "in_flight": "→",
    "queued": "…",
    "paid": "✓",
    "declined": "✕",
    "review": "?",
    "dead": "▲",
    "cancelled": "–",
}

MEANINGS = {
    "in_flight": message("A process is charging it now."),
    "queued": message("It waits for its next try. Nobody has to do anything."),
    "paid": message("It was charged once."),
    "declined": message("The payment service declined it. It is not tried again."),
    "review": message("It may have been charged: a person has to find out."),
    "dead": message("It was not charged, and is not tried again until a person decides."),
    "cancelled": message("It was not charged, and never will be."),
}

OUTCOMES = {
    "succeeded": message("paid"),
    "declined": message("declined"),
    "not_sent": message("not sent"),
    "throttled": message("refused as too many"),
    "failed": message("failed, not charged"),
    "unknown": message("no clear answer"),
    None: message("running"),
}

OUTCOME_SYMBOLS = {
    "succeeded": "✓",
    "declined": "✕",
    "not_sent": "○",
    "throttled": "◆",
    "failed": "✕",
    "unknown": "?",
    None: "→",
}

REASONS = {
    "requested": message("a person wanted it"),
    "expired": message("its last moment has passed"),
    "declined": message("declined"),
    "refused": message("the payment service never accepts it"),
    "exhausted": message("all tries are used up"),
    "unknown": message("nothing tells whether it was charged"),
    "wrong_charge": message("an answer names another charge"),
    "key_conflict": message("its key belongs to another payment"),
    "crashed": message("the processes that worked on it died"),
    "resolved": message("a person has decided it"),
}

ACTIONS = {
    "retry": message("retried"),
    "cancel": message("cancelled"),
    "resolve_paid": message("resolved as paid"),
    "resolve_not_charged": message("resolved as not charged"),
    "suspect": message("suspected after a restore"),
}

# The same as orders to a person, for links and buttons.
ORDER_ACTIONS = {
    "retry": message("Retry the order"),
    "cancel": message("Cancel the order"),
    "resolve_paid": message("Resolve as paid"),
    "resolve_not_charged": message("Resolve as not charged"),
}

INCIDENTS = {
    "two_charges": message("charged twice"),
    "charged_after_cancel": message("charged after it was cancelled"),
    "charged_after_resolution": message("charged after it was resolved as not charged"),
    "wrong_charge": message("an answer names another charge"),
    "reported": message("reported by a person"),
    "undelivered": message("the shop could not be told"),
}

DELIVERIES = {
    "new": message("not taken yet"),
    "waiting": message("being told"),
    "delivered": message("told"),
    "failed": message("could not be told"),
}

CIRCUITS = {
    "closed": message("closed"),
    "open": message("open"),
    "half_open": message("half-open"),
}

CIRCUIT_MEANINGS = {
    "closed": message("Payments are sent."),
    "open": message("No payment is sent. New orders are queued."),
    "half_open": message("A few orders are sent as probes. If they succeed, the circuit closes."),
}

TRANSITION_CAUSES = {
    "failures": message("too many calls failed"),
    "pause_asked": message("the payment service asked for a pause"),
    "interval_over": message("the wait was over: a probe was sent"),
    "probe_failed": message("the last probe failed"),
    "probes_succeeded": message("the probes succeeded"),
    "reset": message("a program reset it"),
}

OVERRIDES = {
    "forced_open": message("forced open"),
    "forced_closed": message("forced closed"),
    "observing": message("only observing"),
}

SEVERITIES = {
    "calm": message("Calm"),
    "watch": message("Watch"),
    "act": message("Act now"),
}

SOURCES = {
    "producer": message("when it was placed"),
    "worker": message("by a worker"),
}


# The kinds of actions in the audit log: the first words of their names.
AUDIT_KINDS = {
    "order": message("orders"),
    "bulk_retry": message("bulk retries"),
    "queue": message("the queue"),
    "breaker": message("the circuit"),
    "incident": message("incidents"),
    "outcomes": message("telling the shop"),
    "token": message("tokens"),
    "database": message("the database"),
}

AUDIT_ACTIONS = {
    **{f"order_{name}": word for name, word in ACTIONS.items()},
    "queue_pause": message("queue paused"),
    "queue_resume": message("queue resumed"),
    "queue_rate": message("speed limited"),
    "incident_close": message("incident closed"),
    "breaker_force_open": message("circuit forced open"),
    "breaker_force_close": message("circuit forced closed"),
    "breaker_observe": message("circuit set to only observe"),
    "breaker_auto": message("circuit back to automatic"),
    "breaker_probe": message("probe asked for"),
    "token_create": message("token made"),
    "token_revoke": message("token revoked"),
    "token_sign_in": message("signed in with a browser"),
    "outcomes_redeliver": message("shop told again"),
    "outcomes_enable": message("destination enabled again"),
    "outcomes_forget": message("destination forgotten"),
    "database_prune": message("old orders deleted"),
    "database_downgrade": message("database taken back"),
    "bulk_retry_create": message("bulk retry made"),
    "bulk_retry_abort": message("bulk retry aborted"),
}

AUDIT_RESULTS = {
    "done": message("done"),
    "refused": message("refused, nothing was changed"),
    "unconfirmed": message("not confirmed: look whether it was done"),
    None: message("not known: the process ended meanwhile"),
}

AUDIT_SYMBOLS = {"done": "✓", "refused": "✕", "unconfirmed": "?", None: "?"}

# What a person has just done, by a word in the address.
DONE = {
    "queue_paused": message("You have paused the queue."),
    "queue_resumed": message("You have ended the pause of the queue."),
    "rate_limited": message("You have limited the queue's speed."),
    "rate_lifted": message("You have lifted the limit of the queue's speed."),
    "order_released": message("You have released one order: a worker tries it although the queue is paused."),
    "circuit_forced_open": message("You have forced the circuit open."),
    "circuit_forced_closed": message("You have forced the circuit closed."),
    "circuit_observing": message("You have let the circuit only observe."),
    "circuit_automatic": message("You have made the circuit automatic again."),
    "circuit_probed": message("You have asked for a probe: the next payment is one."),
    # The last part is an `Outlook`.
    "retry_looked_up": message(
        "You have retried the order. It may have been charged: a worker looks it up before anything is sent, and "
        "until then it keeps its key."
    ),
    "retry_looked_up_new_key": message(
        "You have retried the order. It may have been charged: a worker looks it up before anything is sent. It has a "
        "new key."
    ),
    "retry_review": message(
        "You have retried the order. It may have been charged and cannot be looked up: nothing is sent, and it goes "
        "to review again."
    ),
    "retry_cancelled": message(
        "You have retried the order. Its cancellation was asked for: a worker sends nothing and cancels it."
    ),
    "retry_declined": message(
        "You have retried the order. The payment service has declined it: a worker sends nothing and marks it as "
        "declined."
    ),
    "retry_sent": message("You have retried the order. A worker sends it next, under the same key."),
    "retry_sent_old_key": message(
        "You have retried the order. A worker sends it next. It may have been charged: it keeps its key, which the "
        "payment service promises not to charge twice."
    ),
    "retry_sent_new_key": message(
        "You have retried the order. A worker sends it next, under a new key: the payment service has refused the old "
        "one, and nothing was charged under it."
    ),
    "retry_sent_vouched_for": message(
        "You have retried the order. A worker sends it next, under a new key: you stated that nothing was charged "
        "under the old one."
    ),
    "retry_other_gateway": message(
        "You have retried the order. It is another gateway’s: only a worker with that gateway works on it."
    ),
    "order_cancelled": message("You have cancelled the order."),
    "cancel_requested": message(
        "You have asked to cancel the order: that is done once it is proven that nothing was charged."
    ),
    "order_paid": message("You have resolved the order as paid."),
    "order_not_charged": message("You have resolved the order as not charged. It can be retried."),
    "bulk_retry": message("You have made a bulk retry. Workers do the rest."),
    "bulk_retry_abort": message("You have aborted the bulk retry. What was retried stays retried."),
    "incident_close": message("You have closed the incident."),
}

BULK_STATES = {
    "collecting": message("collecting"),
    "running": message("running"),
    "finished": message("finished"),
    "aborted": message("aborted"),
}

BULK_MEANINGS = {
    "collecting": message("Its orders are being written down. No order is retried yet."),
    "running": message("Workers send its orders round again."),
    "finished": message("It is through with all its orders."),
    "aborted": message("No more of its orders are retried. What was retried stays retried."),
}

SIGN_IN_PROBLEMS = {
    "UNAUTHENTICATED": message("The token is not valid."),
    "TOO_MANY_TRIES": message("Too many wrong tokens were tried. Try again later."),
    "UNAVAILABLE": message("The orders database does not answer, so the token cannot be checked."),
}


def label(table: Mapping[str, str] | Mapping[str | None, str], name: str | None, words: Words) -> str:
    """The word for a public name. One that only a newer release knows is shown as it is."""
    for known, word in table.items():
        if known == name:
            return words.text(word)
    return name or "–"
