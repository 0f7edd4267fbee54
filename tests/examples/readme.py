"""The commands in the README of an example."""

import json
import re
from pathlib import Path
from typing import Any

SETUP = ("cp ", "python3 -m venv ", ". .venv/", "pip install ")
"""The beginnings of the commands that make the folder; the tests have made it in their own way."""

FAULT = re.compile(r"curl -X PATCH http://127\.0\.0\.1:8091/faults -d '(\{.*\})'")


class Readme:
    """A README, read for its console blocks."""

    def __init__(self, file: Path) -> None:
        text = file.read_text(encoding="utf-8")
        blocks = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        self._blocks: list[list[str]] = [
            [line.removeprefix("$ ") for line in block.splitlines()] for block in blocks
        ]

    @property
    def terminals(self) -> list[list[str]]:
        """For each terminal, its commands; the last one is a program that goes on. Without those of `SETUP`."""
        kept = [[line for line in block if not line.startswith(SETUP)] for block in self._blocks]
        return [lines for lines in kept if not lines[0].startswith("curl")]

    @property
    def faults(self) -> list[dict[str, Any]]:
        """What is sent to the simulator, in this order."""
        lines = [line for block in self._blocks for line in block if line.startswith("curl")]
        matches = [FAULT.fullmatch(line) for line in lines]
        return [json.loads(match[1]) for match in matches if match]
