"""What `breakwall rehearse` writes: the table, the settings to use, and each charge that was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from breakwall.currencies import show_money
from breakwall.gateway_names import DEFAULT
from breakwall.terminal.options import Format
from breakwall.terminal.output import notes, plain, say, write_json, write_note, write_table
from breakwall.terminal.words import count
from breakwall.urls.address import where

if TYPE_CHECKING:
    from breakwall.rehearsal.advice import Advised
    from breakwall.rehearsal.charges import MadeCharge
    from breakwall.rehearsal.measurements import Measurement
    from breakwall.rehearsal.questions import Question
    from breakwall.rehearsal.requests import Terms
    from breakwall.rehearsal.run import Rehearsal
    from breakwall.settings import Settings

_STYLES = {"holds": "green", "broken": "bold red", "not shown": "bold red", "unused": "cyan"}


def announce(settings: Settings, terms: Terms, questions: Sequence[Question]) -> None:
    """Say on stderr what is about to be done."""
    is_ours = settings.payment_gateway == DEFAULT or "payment_url" in settings.model_fields_set
    address = f" at {where(settings.payment_url.get_secret_value())}" if is_ours else ""
    most = count(sum(question.charges for question in questions), "charge")
    money = show_money(terms.amount, terms.currency)
    write_note(
        f"Rehearsing with the gateway {settings.gateway_name}{address}: at most {most} of {money} or one unit more."
    )


def show_question(name: str) -> None:
    """Show progress on stderr, if that is a terminal."""
    if notes().is_terminal:
        write_note(f"asking: {name}")


def write_rehearsal(rehearsal: Rehearsal, output: Format) -> None:
    """Write everything that was measured to stdout."""
    if output is Format.JSON:
        write_json(_document(rehearsal))
        return
    if rehearsal.measurements:
        write_table(
            ("verdict", "question", "the service", "the settings"),
            [_row(measurement) for measurement in rehearsal.measurements],
            wrapped=("question", "the service"),
        )
    say(*_settings(rehearsal.advised), *_charges(rehearsal.charges), "", _summary(rehearsal))


def _document(rehearsal: Rehearsal) -> dict[str, Any]:
    return {
        "ok": rehearsal.ok,
        "stopped": rehearsal.stopped,
        "refusal": rehearsal.refusal,
        "measurements": [asdict(measurement) for measurement in rehearsal.measurements],
        "settings": [asdict(advised) for advised in rehearsal.advised],
        "charges": [asdict(charge) for charge in rehearsal.charges],
    }


def _row(measurement: Measurement) -> tuple[str, ...]:
    verdict, style = measurement.verdict.value, _STYLES.get(measurement.verdict)
    marked = f"[{style}]{verdict}[/]" if style else verdict
    return marked, *map(plain, (measurement.question, measurement.seen, measurement.says))


def _settings(advised: Sequence[Advised]) -> list[str]:
    if not advised:
        return []
    lines = [line for one in advised for line in (f"# {plain(one.why)}", f"{one.name}={one.value}")]
    return ["", "Settings to use:", *lines]


def _charges(charges: Sequence[MadeCharge]) -> list[str]:
    if not charges:
        return ["", "Nothing was charged."]
    return ["", "Charges that were made:", *map(_charge, charges)]


def _charge(charge: MadeCharge) -> str:
    named = "perhaps one more" if charge.charge_id is None else plain(charge.charge_id)
    money = show_money(charge.amount, charge.currency)
    reference = "" if charge.reference == charge.key else f" ({plain(charge.reference)})"
    return f"{named}  {plain(money)}  key {plain(charge.key)}{reference}"


def _summary(rehearsal: Rehearsal) -> str:
    if rehearsal.refusal:
        return plain(rehearsal.refusal)
    if rehearsal.stopped:
        return "Stopped: not everything was asked."
    wrong = sum(measurement.verdict.fails for measurement in rehearsal.measurements)
    if wrong:
        return f"The settings or the profile promise more than was seen: {count(wrong, 'answer')}."
    unasked = [one.question for one in rehearsal.measurements if one.verdict == "not asked"]
    return f"Nothing promises more than was seen. Not asked: {plain('; '.join(unasked))}."
