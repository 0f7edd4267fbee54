"""What `breakwall orders retry` does and says, once it is known which orders are meant."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import typer

from breakwall.cli.errors import ExitCode
from breakwall.cli.orders.documents import order_document
from breakwall.cli.orders.next_step import outlook, what_of_doubt
from breakwall.cli.orders.progress import counting
from breakwall.cli.orders.show import write_order
from breakwall.payments.actions import Author
from breakwall.payments.db.clock import DatabaseClock
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.decisions import Progress, RetryPolicy, next_step
from breakwall.payments.gateways import GatewayProfile
from breakwall.payments.ledger.claims import progress_of
from breakwall.payments.ledger.queries import Naming, get_order
from breakwall.payments.operator.bulk_retry import Preview, Redrive, Selection
from breakwall.payments.operator.retry_and_cancel import Interventions, RefusedError
from breakwall.payments.orders import StoredOrder
from breakwall.terminal.options import Format
from breakwall.terminal.output import data, notes, write_fields, write_json
from breakwall.terminal.words import count

_WHY = {
    "in_flight": "being charged right now",
    "declined": "the payment service said no",
    "cancelled": "not wanted any more",
    "queued": "not asked for",
    "dead": "not asked for",
    "review": "not asked for",
}

_DISPUTED = "the service knows their key from another payload, and only `orders resolve` ends that"


@dataclass(frozen=True)
class Rules:
    """What the workers go by: the service's promises, the budget, and for how many seconds a claim holds."""

    profile: GatewayProfile
    policy: RetryPolicy
    lease: float


@dataclass(frozen=True)
class Retrying:
    """One run of the command."""

    database: Database
    author: Author
    output: Format
    rules: Rules

    def named(self, names: list[str], by: Naming, evidence: str | None, *, dry_run: bool) -> None:
        """Send orders round that are named, each on its own; all names must be orders'.

        Args:
            evidence: how it is known that nothing was charged of the one order, which gets a new key for it.
        """
        found = {order.id: order for order in (get_order(self.database, name, by) for name in names)}
        if dry_run:
            self._tell_preview(self._redrive.preview_named(list(found)), None)
        elif len(found) == 1:
            self._one(found.popitem()[1], evidence)
        else:
            self._several(list(found))

    def all_matching(self, selection: Selection, limit: int | None, *, dry_run: bool, ask: bool) -> None:
        """Send all orders round that match, after asking or only in thought."""
        redrive = self._redrive
        if dry_run:
            self._tell_preview(redrive.preview(selection), limit)
        elif not ask or self._asked(redrive.preview(selection), limit):
            self._run(redrive, selection, limit)

    def _one(self, before: StoredOrder, evidence: str | None) -> None:
        order = self._people.retry(before.id, self.author, by=Naming.ID, uncharged=evidence)
        if self.output is Format.JSON:
            write_json(order_document(order))
            return
        progress = self._progress(order.id)
        step = next_step(progress, self.rules.profile, self.rules.policy)
        renewed = order.charge_key != before.charge_key
        self._say(f"It is due now, with {self._budget}; its retry_count goes on counting.")
        self._say(outlook(step, progress, renewed=renewed, vouched_for=evidence is not None))
        write_order(order)

    def _progress(self, order_id: str) -> Progress:
        lease = self.rules.lease
        return self.database.read(
            lambda connection: progress_of(connection, DatabaseClock(), order_id, lease=lease)
        )

    def _several(self, order_ids: list[str]) -> None:
        sent: list[StoredOrder] = []
        refused: dict[str, str] = {}
        try:
            for order_id in order_ids:
                try:
                    sent.append(self._people.retry(order_id, self.author, by=Naming.ID))
                except RefusedError as error:
                    refused[order_id] = str(error)
        finally:
            self._tell_several(sent, refused)
        if refused:
            raise typer.Exit(ExitCode.REFUSED)

    def _tell_several(self, sent: list[StoredOrder], refused: dict[str, str]) -> None:
        if self.output is Format.JSON:
            told = [{"id": order_id, "problem": problem} for order_id, problem in refused.items()]
            write_json({"sent_round": [order_document(order) for order in sent], "refused": told})
            return
        for problem in refused.values():
            typer.echo(f"Error: {problem}", err=True)
        self._say(f"{_sent(len(sent))}{self._each}" if sent else "No order was sent round.")

    def _run(self, redrive: Redrive, selection: Selection, limit: int | None) -> None:
        sent = changed = to_be_resolved = 0
        try:
            with counting("sending round", "orders") as advance:
                for chunk in redrive.run(selection, self.author, limit=limit):
                    sent, changed = sent + chunk.sent_round, changed + chunk.changed
                    to_be_resolved += chunk.to_be_resolved
                    advance(chunk.sent_round)
        except (DatabaseUnavailableError, KeyboardInterrupt):
            self._summarise(sent, changed, to_be_resolved, finished=False)
            raise
        self._summarise(sent, changed, to_be_resolved, finished=True)

    def _summarise(self, sent: int, changed: int, to_be_resolved: int, *, finished: bool) -> None:
        if self.output is Format.JSON:
            numbers = {"sent_round": sent, "changed_meanwhile": changed, "to_be_resolved": to_be_resolved}
            write_json({**numbers, "max_attempts": self._max_attempts, "finished": finished})
            return
        if sent:
            self._say(f"{_sent(sent)}{self._each}")
        elif finished and not changed and not to_be_resolved:
            self._say("No order matches; nothing was changed.")
        if changed:
            self._say(f"{count(changed, 'order')} had changed in the meantime and stayed as they are.")
        if to_be_resolved:
            self._say(f"{count(to_be_resolved, 'order')} stayed in review: {_DISPUTED}.")
        if not finished:
            self._say("Not all that match were reached: the same again does the rest.")

    def _asked(self, preview: Preview, limit: int | None) -> bool:
        if not sys.stdin.isatty():
            raise RefusedError(
                "--all changes many orders, and nobody can be asked: look with --dry-run, then say --yes"
            )
        if not preview.eligible:
            self._summarise(0, 0, preview.to_be_resolved, finished=True)
            return False
        write_fields(self._preview_fields(preview, limit), console=notes())
        return typer.confirm("Send them round?", abort=True, err=True)

    def _tell_preview(self, preview: Preview, limit: int | None) -> None:
        if self.output is Format.JSON:
            write_json(self._preview_document(preview, limit))
            return
        self._say("A dry run: nothing was changed.")
        write_fields(self._preview_fields(preview, limit))

    def _preview_document(self, preview: Preview, limit: int | None) -> dict[str, object]:
        return {
            "dry_run": True,
            "eligible": preview.eligible,
            "would_be_sent_round": _within(limit, preview.eligible),
            "looked_up_first": preview.looked_up_first,
            "already_paid": preview.already_paid,
            "skipped": {status.value: number for status, number in preview.skipped.items()},
            "to_be_resolved": preview.to_be_resolved,
            "max_attempts": self._max_attempts,
        }

    def _preview_fields(self, preview: Preview, limit: int | None) -> dict[str, str]:
        skipped = [f"{number:,} {status} ({_WHY[status]})" for status, number in preview.skipped.items()]
        fields = {
            "eligible": count(preview.eligible, "order"),
            "looked up first": f"{preview.looked_up_first:,} of them, because they may have been charged",
            "already paid": f"{preview.already_paid:,}",
            "skipped": ", ".join(skipped) or "none",
            "to be resolved": f"{preview.to_be_resolved:,}",
            "budget": f"{self._budget} each; retry_count goes on counting",
        }
        if preview.to_be_resolved:
            fields["to be resolved"] += f", because {_DISPUTED}"
        if limit is not None:
            fields["limit"] = f"the oldest {_within(limit, preview.eligible):,} would be sent round"
        return fields

    @property
    def _people(self) -> Interventions:
        return Interventions(self.database, looks_up=self.rules.profile.looks_up)

    @property
    def _redrive(self) -> Redrive:
        return Redrive(self.database, looks_up=self.rules.profile.looks_up)

    @property
    def _max_attempts(self) -> int:
        return self.rules.policy.max_attempts

    @property
    def _budget(self) -> str:
        return f"a whole new budget of {count(self._max_attempts, 'attempt')}"

    @property
    def _each(self) -> str:
        return (
            f" Each has {self._budget}; its retry_count goes on counting. "
            f"What may have been charged {what_of_doubt(self.rules.profile)}."
        )

    def _say(self, sentence: str) -> None:
        data().print(sentence, highlight=False)


def _sent(number: int) -> str:
    verb = "was" if number == 1 else "were"
    return f"{count(number, 'order')} {verb} sent round again and {'is' if number == 1 else 'are'} due now."


def _within(limit: int | None, eligible: int) -> int:
    return eligible if limit is None else min(limit, eligible)
