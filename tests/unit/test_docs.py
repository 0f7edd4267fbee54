"""What the docs name exists: commands with their options, files, and the targets of links."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from breakwall.cli.app import app
from tests.source_tree import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").rglob("README.md"))  # Their commands are run by tests/examples.
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
QUOTED = re.compile(r"(?:\$ )?(?:\.venv/bin/)?((?:make|python|breakwall) .+)")


def quoted() -> Iterator[tuple[str, str]]:
    """Each command with its page: lines of code blocks, and code in a sentence, with the options of its table row."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        lines = [line.strip() for block in blocks for line in block.splitlines()]
        for line in re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL).splitlines():
            spans = re.findall(r"`([^`]+)`", line)
            in_row = [span for span in spans[1:] if re.fullmatch(r"--[a-z-]+", span)]
            first = (
                " ".join([*spans[:1], *in_row]) if line.startswith("| `breakwall ") else "".join(spans[:1])
            )
            lines += [first, *spans[1:]]
        found = (QUOTED.fullmatch(line) for line in lines)
        yield from ((page.name, match[1]) for match in found if match)


COMMANDS = sorted(set(quoted()))


def options_of(words: list[str]) -> list[str]:
    return [word.partition("=")[0] for word in words if re.match("--[a-z]", word)]


def missing(command: str) -> list[str]:
    """What a quoted command names that does not exist."""
    program, *words = shlex.split(command, comments=True)
    if program == "make":
        return missing_in_makefile(words)
    if program == "python":
        return missing_in_program(words)
    alternatives = [word.split("|") for word in words if not word.startswith("-")]
    return missing_in_breakwall([list(path) for path in product(*alternatives)], options_of(words))


def missing_in_makefile(words: list[str]) -> list[str]:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    variables = {f"{name}=" for name in re.findall(r"\$\((\w+)\)", MAKEFILE)}
    return [word for word in words if re.sub("=.*", "=", word) not in targets | variables]


def missing_in_program(words: list[str]) -> list[str]:
    script = words[1].replace(".", "/") if words[0] == "-m" else words[0]
    file = next((file for file in (ROOT / script, ROOT / script / "__main__.py") if file.is_file()), None)
    if file is None:
        return [script]
    source = file.read_text(encoding="utf-8")
    return [option for option in options_of(words) if f'"{option}"' not in source]


def missing_in_breakwall(paths: list[list[str]], options: list[str]) -> list[str]:
    """Each path must be a command; each option must be one of a command among them."""
    known: set[str] = set()
    for path in paths:
        command = get_command(app)
        for word in path:
            if isinstance(command, TyperGroup):
                if word not in command.commands:
                    return [" ".join(path)]
                command = command.commands[word]
        known |= {
            name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)
        }
    return [option for option in options if option not in known]


def test_the_docs_quote_commands() -> None:
    assert {command.split()[0] for _, command in COMMANDS} == {"make", "python", "breakwall"}


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_a_quoted_command_exists_with_its_options(page: str, command: str) -> None:
    assert missing(command) == []


FILE = re.compile(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|md|toml|yml))(?:::\w+)?`")
LINK = re.compile(r"\]\(([^)#\s:]+)[^)\s:]*\)")


@pytest.mark.parametrize("page", [*PAGES, *EXAMPLES], ids=lambda page: f"{page.parent.name}/{page.name}")
def test_each_file_that_a_page_names_exists(page: Path) -> None:
    """A name may leave out the first folders: `gateways/http.py`."""
    text = page.read_text(encoding="utf-8")
    files = [f"/{file.relative_to(ROOT)}" for file in source_files()]
    assert [name for name in FILE.findall(text) if not any(file.endswith(f"/{name}") for file in files)] == []
    assert [link for link in LINK.findall(text) if not (page.parent / link).exists()] == []


@cache
def source_files() -> list[Path]:
    folders = ("bench", "breakwall", "deploy", "docs", "examples", "producers", "tests", "tools", "worker")
    return [*ROOT.glob("*.*"), *(file for folder in folders for file in (ROOT / folder).rglob("*.*"))]


def test_each_name_of_the_code_that_the_guide_to_extending_names_is_in_the_code() -> None:
    spans = re.findall(
        r"`([A-Za-z_][\w.]*(?<!\.md)(?<!\.py))`", (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    )
    files = [file for file in source_files() if file.suffix == ".py"]
    code = {word for file in files for word in re.findall(r"\w+", file.read_text(encoding="utf-8"))}
    assert [span for span in spans if not set(span.split(".")) <= code] == []
