"""`breakwall orders suspect`."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.cli.orders.progress import counting
from breakwall.terminal.authors import ActorOption, ReasonOption, author
from breakwall.terminal.moments import MOMENT, parse_moment
from breakwall.terminal.options import Format, OutputOption

if TYPE_CHECKING:
    from collections.abc import Mapping

    from breakwall.payments.actions import Author
    from breakwall.payments.operator.suspect import Suspects, Suspicion
    from breakwall.payments.orders import OrderStatus


def suspect(
    since: Annotated[
        str, typer.Option(metavar="TIME", help=f"When the backup was made. {MOMENT}", show_default=False)
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing, count the orders.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """After a restore: have every open order looked up before anything is sent.

    Whatever was queued, in flight, in review or dead in the backup of TIME may have been charged since, and the
    attempts that would tell are lost. States and due times stay. Stop producers and workers first; start them after
    `breakwall orders reconcile`, which finds what a look-up cannot: docs/operations.md.

    Needs a --reason, and --yes where nobody can be asked. It goes in short transactions; stopped in the middle, the
    same again does the rest, and notes no order twice.
    """
    moment = _past(since)
    if not dry_run and reason is None:
        raise typer.BadParameter("a bulk action needs a reason, which is noted", param_hint="--reason")
    who = author(actor, reason)

    from breakwall.payments.operator.suspect import Suspicion
    from breakwall.settings import load_settings
    from breakwall.wiring import open_database

    with closing(open_database(load_settings())) as database:
        suspecting = _Suspecting(Suspicion(database), moment, output)
        if dry_run:
            suspecting.tell_preview()
        elif yes or suspecting.asked():
            suspecting.run(who)


def _past(text: str) -> datetime:
    moment = parse_moment(text, "--since")
    if moment >= datetime.now(UTC):
        raise typer.BadParameter("should be in the past: when the backup was made", param_hint="--since")
    return moment


@dataclass(frozen=True)
class _Suspecting:
    """One run of the command."""

    suspicion: Suspicion
    since: datetime
    output: Format

    def tell_preview(self) -> None:
        from breakwall.terminal.output import data, write_fields, write_json

        seen = self.suspicion.preview(self.since)
        if self.output is Format.JSON:
            write_json({"dry_run": True, **self._document(seen.by_state), "noted_before": seen.noted})
            return
        data().print("A dry run: nothing was changed.", highlight=False)
        write_fields(self._fields(seen))

    def asked(self) -> bool:
        from breakwall.payments.operator.retry_and_cancel import RefusedError
        from breakwall.terminal.output import notes, write_fields

        if not sys.stdin.isatty():
            raise RefusedError(
                "this changes many orders, and nobody can be asked: look with --dry-run, then say --yes"
            )
        seen = self.suspicion.preview(self.since)
        if not seen.by_state:
            self._tell({}, finished=True)
            return False
        write_fields(self._fields(seen), console=notes())
        return typer.confirm("Have them looked up before anything is sent?", abort=True, err=True)

    def run(self, who: Author) -> None:
        from breakwall.payments.db.database import DatabaseUnavailableError

        done: Counter[OrderStatus] = Counter()
        try:
            with counting("suspecting", "orders") as advance:
                for chunk in self.suspicion.run(self.since, who):
                    done.update(chunk)
                    advance(sum(chunk.values()))
        except (DatabaseUnavailableError, KeyboardInterrupt):
            self._tell(done, finished=False)
            raise
        self._tell(done, finished=True)

    def _tell(self, done: Mapping[OrderStatus, int], *, finished: bool) -> None:
        from breakwall.terminal.output import data, write_json
        from breakwall.terminal.words import count

        if self.output is Format.JSON:
            write_json({**self._document(done), "finished": finished, "next": self._next})
            return
        total = sum(done.values())
        verb = "is" if total == 1 else "are"
        told = [f"{count(total, 'order')} {verb} looked up before anything is sent." if total else _NONE]
        if finished:
            told.append(f"Next, before a worker starts: {self._next}, and record what it names.")
        else:
            told.append("Not all open orders were reached: the same again does the rest.")
        data().print(" ".join(told), highlight=False, markup=False)

    def _document(self, by_state: Mapping[OrderStatus, int]) -> dict[str, object]:
        return {
            "since": self.since.isoformat(),
            "suspected": {str(status): number for status, number in by_state.items()},
            "orders": sum(by_state.values()),
        }

    def _fields(self, seen: Suspects) -> dict[str, str]:
        from breakwall.payments.operator.suspect import OPEN

        numbers = {str(status): f"{seen.by_state.get(status, 0):,}" for status in OPEN}
        return {**numbers, "noted before": f"{seen.noted:,} open orders, which stay as they are"}

    @property
    def _next(self) -> str:
        return f"breakwall orders reconcile REPORT --since {shlex.quote(self.since.isoformat())}"


_NONE = "No open order is left that was not suspected before; nothing was changed."
