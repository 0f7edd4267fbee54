"""Carries out `breakwall orders retry` of named orders, each separately."""

from dataclasses import dataclass

import typer

from breakwall.cli.orders.order_fields import order_lines
from breakwall.cli.orders.retry_text import (
    Rules,
    during_a_pause,
    retried_sentence,
    write_preview,
)
from breakwall.errors import ExitCode
from breakwall.json_documents import retried_order_document
from breakwall.payments.db.clock import DATABASE_CLOCK
from breakwall.payments.db.database import Database
from breakwall.payments.db.own_gateway import is_own_order
from breakwall.payments.decisions import next_step
from breakwall.payments.fleet.drain_control import DrainControl, DrainState
from breakwall.payments.interventions import Author
from breakwall.payments.ledger.progress import progress_of
from breakwall.payments.ledger.queries import Naming, get_order
from breakwall.payments.operator.bulk_retry.preview import preview_named
from breakwall.payments.operator.locking import RefusedError
from breakwall.payments.operator.outlook import Outlook, outlook
from breakwall.payments.operator.retry_and_cancel import retry_order
from breakwall.payments.orders import StoredOrder
from breakwall.terminal.options import Format
from breakwall.terminal.output import say, write_json, write_note, write_result


@dataclass(frozen=True, slots=True)
class RetryRun:
    """One run of the command."""

    database: Database
    author: Author
    rules: Rules
    output: Format
    dry_run: bool

    def named(self, names: list[str], by: Naming, *, evidence: str | None) -> None:
        """Retry the orders with these names.

        ``evidence`` is for a single order, which gets a new key: how it is known that nothing was charged for it.
        Raises OrderNotFoundError or AmbiguousNameError before anything is changed.
        """
        found = {order.id: order for order in (get_order(self.database, name, by) for name in names)}
        if self.dry_run:
            write_preview(preview_named(self.database, list(found)), self.rules, self.output)
        elif len(found) > 1:
            self._several(list(found))
        else:
            (before,) = found.values()
            self._one(before, evidence)

    def _retry(self, order_id: str, evidence: str | None = None) -> StoredOrder:
        return retry_order(
            self.database,
            order_id,
            self.author,
            by=Naming.ID,
            looks_up=self.rules.profile.looks_up,
            gateway=self.rules.gateway,
            uncharged=evidence,
        )

    def _drain_state(self) -> DrainState:
        return DrainControl(self.database).read()

    def _one(self, before: StoredOrder, evidence: str | None) -> None:
        order, drain = self._retry(before.id, evidence), self._drain_state()
        if self.output is Format.JSON:
            write_json(retried_order_document(order, drain))
            return
        say(
            f"It is due now, with {self.rules.budget}; its retry_count continues.",
            self._outlook(before, order, vouched_for=evidence is not None).sentence,
            *during_a_pause(drain, released=True),
            *order_lines(order),
        )

    def _outlook(self, before: StoredOrder, order: StoredOrder, *, vouched_for: bool) -> Outlook:
        if not is_own_order(order, self.rules.gateway):
            return Outlook.OTHER_GATEWAY
        progress = self.database.read(
            lambda connection: progress_of(connection, DATABASE_CLOCK, order.id, lease=self.rules.lease)
        )
        step = next_step(progress, self.rules.profile, self.rules.policy)
        return outlook(step, progress, rotated=order.charge_key != before.charge_key, vouched_for=vouched_for)

    def _several(self, order_ids: list[str]) -> None:
        retried: list[StoredOrder] = []
        refused: dict[str, str] = {}
        try:
            for order_id in order_ids:
                try:
                    retried.append(self._retry(order_id))
                except RefusedError as error:
                    refused[order_id] = str(error)
        finally:
            self._write_several(retried, refused)
        if refused:
            raise typer.Exit(ExitCode.REFUSED)

    def _write_several(self, retried: list[StoredOrder], refused: dict[str, str]) -> None:
        if self.output is Format.TEXT:
            for problem in refused.values():
                write_note(f"Error: {problem}")
        drain = self._drain_state()
        document = {
            "sent_round": [retried_order_document(order, drain) for order in retried],
            "refused": [{"id": order_id, "problem": problem} for order_id, problem in refused.items()],
        }
        sentence = retried_sentence(len(retried), self.rules) if retried else "No order was retried."
        pause = during_a_pause(drain, released=True) if retried else []
        write_result(self.output, document, sentence, *pause)
