"""`breakwall doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from breakwall.cli.errors import ExitCode
from breakwall.terminal.options import Format, OutputOption

if TYPE_CHECKING:
    from breakwall.doctor.findings import Finding


def doctor(output: OutputOption = Format.TEXT) -> None:
    """Check everything that the settings name, and say what to do about what is wrong.

    Looks only: nothing is made, migrated or charged. Takes under ten seconds, whatever hangs. Exits with 1
    when something is wrong, and with 2 when the settings are.
    """
    from breakwall.doctor.checks import checks_for, python
    from breakwall.doctor.findings import Finding, look_at_all
    from breakwall.settings import SettingsError, load_settings

    try:
        settings = load_settings()
    except SettingsError as error:
        wrong = [Finding("settings", False, problem) for problem in error.problems]
        _tell([*python(), *wrong], output)
        raise typer.Exit(ExitCode.USAGE) from None
    findings = [Finding("settings", True, "all known and usable"), *look_at_all(checks_for(settings))]
    _tell(findings, output)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(ExitCode.FAILURE)


def _tell(findings: list[Finding], output: Format) -> None:
    from breakwall.terminal.output import data, plain, write_json
    from breakwall.terminal.words import count, state

    problems = sum(not finding.ok for finding in findings)
    if output is Format.JSON:
        from dataclasses import asdict

        write_json({"ok": problems == 0, "checks": [asdict(finding) for finding in findings]})
        return
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark = state("ok" if finding.ok else "problem", width=7)
        data().print(f"{mark}  {finding.name:<{width}}  {plain(finding.detail)}", highlight=False)
        if finding.advice:
            data().print(f"{'':<{9 + width}}  → {plain(finding.advice)}", highlight=False)
    data().print(f"\n{count(problems, 'problem')}." if problems else "\nEverything is fine.", highlight=False)
