"""The folder `examples`: each shop can be copied alone, and its README is true."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.examples.readme import SETUP, Readme
from tests.examples.shops import EXAMPLES, OPENING, importable
from tests.source_tree import ROOT

MODEL = EXAMPLES / "fastapi"
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
# The tests install the extra `web` too.
TESTED = {Requirement(line).name: Requirement(line) for line in (*EXTRAS["web"], *EXTRAS["test"])}
SHOPS = pytest.mark.parametrize("name", list(OPENING))


def python_files(name: str) -> list[Path]:
    return sorted((EXAMPLES / name).rglob("*.py"))


def test_each_shop_is_listed_and_played() -> None:
    folders = {path.name for path in EXAMPLES.iterdir() if (path / "README.md").exists()}
    listed = re.findall(r"^- \[(\w+)\]\(\1/README\.md\)", (EXAMPLES / "README.md").read_text("utf-8"), re.M)
    assert folders == set(OPENING) == set(listed)


@pytest.mark.parametrize("name", ["flask", "celery_app"])
def test_what_is_repeated_is_the_same_in_each_shop(name: str) -> None:
    for file in [MODEL / "orders.py", *(MODEL / "templates").iterdir()]:
        assert (EXAMPLES / name / file.relative_to(MODEL)).read_text() == file.read_text()


def test_djangos_templates_are_the_same_but_for_its_token() -> None:
    for file in (MODEL / "templates").iterdir():
        its = (EXAMPLES / "django" / "shop" / "templates" / file.name).read_text()
        assert its.replace("  {% csrf_token %}\n", "") == file.read_text()


@SHOPS
def test_the_commands_of_a_readme_copy_its_folder_and_install_its_requirements(name: str) -> None:
    text = (EXAMPLES / name / "README.md").read_text("utf-8")
    commands = [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]
    assert [command for command in commands if command.startswith(SETUP)][:4] == [
        f'cp -r "$REPOSITORY/examples/{name}/." .',
        "python3 -m venv .venv",
        ". .venv/bin/activate",
        'pip install "$REPOSITORY" -r requirements.txt',
    ]
    assert Readme(EXAMPLES / name / "README.md").faults == [{"down": True}, {"down": False}]


@SHOPS
def test_its_requirements_are_those_of_the_tests_and_all_that_it_imports(name: str) -> None:
    listed = [Requirement(line) for line in (EXAMPLES / name / "requirements.txt").read_text().splitlines()]
    breakwalls = {"celery": Requirement("celery>=5.7,<5.8")}
    assert all(one == {**TESTED, **breakwalls}[one.name] or one.name == "gunicorn" for one in listed)
    imported = {
        node.module.partition(".")[0] if isinstance(node, ast.ImportFrom) else node.names[0].name
        for file in python_files(name)
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom) and (isinstance(node, ast.Import) or node.module)
    }
    frameworks = imported & {"fastapi", "django", "flask", "celery", "standardwebhooks"}
    assert frameworks <= {one.name for one in listed}


@SHOPS
def test_its_settings_listen_on_the_loopback_alone(name: str) -> None:
    texts = [(EXAMPLES / name / file).read_text("utf-8") for file in ("README.md", "settings.sh")]
    assert "0.0.0.0" not in "".join(texts)
    for command in re.findall(r"^\$ (gunicorn .*)$", texts[0], re.MULTILINE):
        assert "--bind 127.0.0.1:$SHOP_PORT" in command


@pytest.mark.parametrize("module", ["fastapi/fastapi_shop.py", "django/settings.py"])
def test_without_its_secret_a_shop_does_not_start_and_names_the_variable(
    module: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SHOP_WEBHOOK_SECRET", raising=False)
    monkeypatch.setenv("SHOP_DATABASE_URL", f"sqlite:///{tmp_path / 'shop.db'}")
    file = EXAMPLES / module
    code = compile(file.read_text("utf-8"), str(file), "exec")
    with importable(file.parent), pytest.raises(SystemExit, match="SHOP_WEBHOOK_SECRET"):
        exec(code, {"__name__": "shop", "__file__": str(file)})
