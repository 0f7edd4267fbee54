"""Carries out `breakwall orders retry --all`: makes a bulk retry and works on it, or leaves it to the workers."""

from contextlib import closing
from dataclasses import dataclass

import typer

from breakwall.actors import by_actor
from breakwall.cli.bulk import check_attended, counting, summarised
from breakwall.cli.orders.retry_text import (
    DISPUTED,
    Rules,
    during_a_pause,
    preview_fields,
    retried_sentence,
    write_preview,
)
from breakwall.errors import ExitCode
from breakwall.json_documents import bulk_retry_document
from breakwall.payments.db.database import Database
from breakwall.payments.fleet.drain_control import DrainControl
from breakwall.payments.interventions import Author
from breakwall.payments.operator.bulk_retry.preview import Preview, preview
from breakwall.payments.operator.bulk_retry.record import BulkRetries, BulkRetry, check_tables
from breakwall.payments.operator.bulk_retry.runner import BulkRetryRunner
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.terminal.options import Format
from breakwall.terminal.output import field_lines, notes, plain, say, write_note, write_result
from breakwall.terminal.words import count

_FOR_OTHERS = (
    "All orders that are left are another gateway's: only its workers retry them. Ctrl-C leaves it to them."
)


Numbers = dict[str, int | None]
"""Numbers of orders, as the JSON has them; None: not counted."""


@dataclass(frozen=True, slots=True)
class BulkRetryRequest:
    """What to retry, and how."""

    selection: Selection
    limit: int | None
    name: str | None
    rate: float | None


@dataclass(frozen=True, slots=True)
class RetryAllRun:
    """One run of the command."""

    database: Database
    author: Author
    rules: Rules
    output: Format

    def dry(self, request: BulkRetryRequest) -> None:
        """Write what it would do."""
        write_preview(preview(self.database, request.selection), self.rules, self.output, request.limit)

    def start(self, request: BulkRetryRequest, *, ask: bool, detach: bool) -> None:
        """Retry all orders that match. ``detach``: leave the work to the workers.

        Raises RefusedError if a person has to be asked and there is no terminal, typer.Abort if the person says no, and
        SchemaError if the database has no tables for it yet.
        """
        self.database.read(check_tables)
        if ask:
            check_attended("--all changes many orders")
            seen = preview(self.database, request.selection)
            if seen.eligible == 0:
                self._summarise_none(seen)
                return
            say(*field_lines(preview_fields(seen, self.rules, request.limit)), console=notes())
            typer.confirm("Retry them?", abort=True, err=True)
        made = self._make(request)
        if detach:
            write_result(self.output, bulk_retry_document(made), *_watching(made))
        else:
            self._work_on(made)

    def _make(self, request: BulkRetryRequest) -> BulkRetry:
        return BulkRetries(self.database).create(
            request.selection, self.author, name=request.name, rate=request.rate, limit=request.limit
        )

    def _work_on(self, made: BulkRetry) -> None:
        self._say_what_comes_first(made)
        looks_up, gateway = self.rules.profile.looks_up, self.rules.gateway
        runner = BulkRetryRunner(self.database, looks_up=looks_up, gateway=gateway)
        told = False
        seen = [made]
        with (
            summarised(lambda finished: self._summarise(seen[-1], finished=finished)),
            counting("retrying", "orders") as advance,
            closing(runner.run(made.id)) as working,
        ):
            for now in working:
                advance(now.retried - seen[-1].retried)
                seen[:] = [now]
                if runner.leaves_rest(now) and not told:
                    write_note(_FOR_OTHERS)
                    told = True
                if runner.leaves_rest(now) and now.waits_for is not None:
                    break
        if seen[-1].aborted_by is not None or seen[-1].waits_for is not None:
            raise typer.Exit(ExitCode.FAILURE)

    def _say_what_comes_first(self, made: BulkRetry) -> None:
        first = BulkRetries(self.database).oldest_open()
        if first is not None and first.id != made.id:
            write_note(
                f"While a process works on bulk retry {first.id} ({first.name}), this one waits. Ctrl-C leaves it to "
                "the workers."
            )

    def _summarise_none(self, seen: Preview) -> None:
        nothing: Numbers = {"sent_round": 0, "changed_meanwhile": 0, "to_be_resolved": seen.to_be_resolved}
        lines = _left_alone(0, seen.to_be_resolved or 0) or ["No order matches; nothing was changed."]
        self._write(nothing, lines, bulk_id=None, finished=True)

    def _summarise(self, bulk: BulkRetry, *, finished: bool) -> None:
        changed, to_be_resolved = bulk.changed + bulk.paid, (bulk.to_be_resolved or 0) + bulk.disputed
        lines = []
        if bulk.retried:
            lines.append(retried_sentence(bulk.retried, self.rules))
            lines += during_a_pause(DrainControl(self.database).read(), released=False)
        elif finished and not changed and not to_be_resolved and bulk.aborted_by is None:
            lines.append("No order matches; nothing was changed.")
        lines += _left_alone(changed, to_be_resolved)
        if bulk.aborted_by is not None:
            lines.append(f"It was aborted{by_actor(plain(bulk.aborted_by))}: {plain(bulk.abort_reason)}")
        elif bulk.waits_for is not None:
            lines += [waiting_sentence(bulk), *_watching(bulk)[1:]]
        elif not finished:
            lines += ["This command stopped before the end. The workers go on.", *_watching(bulk)[1:]]
        numbers: Numbers = {"sent_round": bulk.retried, "changed_meanwhile": changed}
        numbers["to_be_resolved"] = None if bulk.to_be_resolved is None else to_be_resolved
        has_ended = finished and bulk.aborted_by is None and bulk.waits_for is None
        self._write(numbers, lines, bulk_id=bulk.id, finished=has_ended, waits_for=bulk.waits_for)

    def _write(
        self,
        numbers: Numbers,
        lines: list[str],
        *,
        bulk_id: str | None,
        finished: bool,
        waits_for: str | None = None,
    ) -> None:
        budget = self.rules.policy.max_attempts
        document = {**numbers, "max_attempts": budget, "finished": finished, "bulk_retry": bulk_id}
        document |= {"waits_for": waits_for}
        write_result(self.output, document, *lines)


def _left_alone(changed: int, to_be_resolved: int) -> list[str]:
    lines = []
    if changed:
        lines.append(f"{count(changed, 'order')} changed in the meantime and stayed as they are.")
    if to_be_resolved:
        lines.append(f"{count(to_be_resolved, 'order')} stayed in review: {DISPUTED}.")
    return lines


def waiting_sentence(bulk: BulkRetry) -> str:
    """That it waits, for which gateway, and what to do."""
    left = count(bulk.eligible - bulk.done, "order")
    return (
        f"{left} are left for the gateway {plain(bulk.waits_for)}, which no live worker has. The bulk retry waits for "
        "such a worker: start one with this BREAKWALL_PAYMENT_GATEWAY, or abort it."
    )


def _watching(bulk: BulkRetry) -> list[str]:
    return [
        f"Bulk retry {bulk.id} is made: {plain(bulk.name)}. The workers work on it.",
        f"Watch it with `breakwall orders bulk-retries show {bulk.id}`.",
        f"End it with `breakwall orders bulk-retries abort {bulk.id} --reason …`.",
    ]
