"""`breakwall doctor`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from breakwall.errors import ExitCode
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.output import plain, write_result
from breakwall.terminal.words import count, state

if TYPE_CHECKING:
    from breakwall.doctor.findings import Finding


def doctor(output: OutputOption = Format.TEXT) -> None:
    """Check everything that the settings name, and say what to do about each problem.

    It creates, migrates and charges nothing. It takes less than ten seconds, even if a server hangs. Exits with 1 if
    there is a problem, and with 2 if the settings are unusable.
    """
    from breakwall.doctor.findings import fine, problem, run_all
    from breakwall.doctor.machine import python
    from breakwall.settings import SettingsError, load_settings

    try:
        settings = load_settings()
    except SettingsError as error:
        wrong = [problem("settings", detail, "") for detail in error.problems]
        _write([*python(), *wrong], output)
        raise typer.Exit(error.exit_code) from None
    from breakwall.doctor.checks import checks_for

    findings = [fine("settings", "all known and usable"), *run_all(checks_for(settings))]
    _write(findings, output)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(ExitCode.FAILURE)


def _write(findings: list[Finding], output: Format) -> None:
    problems = sum(not finding.ok for finding in findings)
    document = {"ok": problems == 0, "checks": [asdict(finding) for finding in findings]}
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        mark = state("ok" if finding.ok else "problem", width=7)
        lines.append(f"{mark}  {finding.name:<{width}}  {plain(finding.detail)}")
        if finding.advice:
            lines.append(f"{'':<{9 + width}}  → {plain(finding.advice)}")
    lines.append(f"\n{count(problems, 'problem')}." if problems else "\nEverything is fine.")
    write_result(output, document, *lines)
