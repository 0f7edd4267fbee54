"""docs/gateways.md is run as it stands: its files, its contract suite, its package, its shop."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.workspace import free_port
from tests.source_tree import ROOT

PAGE = (ROOT / "docs" / "gateways.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
FILES = {
    text.split("\n", 1)[0].removeprefix("# "): text for kind, text in BLOCKS if kind in {"python", "toml"}
}
SUITE, INSTALL, RUN = (text for kind, text in BLOCKS if kind == "bash")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def run(command: str, folder: Path, timeout: float, **variables: str) -> str:
    """The output of a command line of the page; fails if it fails."""
    ours = {
        name: value for name, value in os.environ.items() if not name.startswith(("BREAKWALL_", "PYTEST_"))
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{ours.get('PATH', '')}"
    environment = {**ours, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1", **variables}
    ran = subprocess.run(
        ["bash", "-ec", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


def test_the_files_have_names() -> None:
    assert list(FILES) == [
        *(
            "acme_service.py",
            "acme_gateway.py",
            "acme_preparing.py",
            "test_acme.py",
            "pyproject.toml",
            "shop.py",
        )
    ]


@pytest.mark.timeout(500)
def test_its_gateways_keep_the_contract(folder: Path) -> None:
    # Half a second is enough for a service on this machine; half of the tests wait for it.
    (folder / "conftest.py").write_text(
        "from breakwall.payments.gateways.contract import GatewayContract\nGatewayContract.fault_timeout = 0.5\n"
    )
    # An own configuration: the package's pyproject.toml has none.
    seen = run(SUITE.replace("test_acme.py", "test_acme.py -q -p no:cacheprovider"), folder, 400)
    assert re.search(r"^\d+ passed, \d+ skipped in ", seen, re.MULTILINE), seen


def test_its_package_is_charged_through_by_producer_and_worker(folder: Path) -> None:
    # Into a folder of its own instead of this environment, and without the index of packages.
    offline = f"--quiet --target {folder / 'site'} --no-index --no-deps --no-build-isolation"
    run(INSTALL.replace("pip install", f"pip install {offline}"), folder, 60)
    for module in ("acme_gateway.py", "acme_preparing.py"):
        (folder / module).unlink()  # What is used is what was installed.
    seen = run(
        RUN.replace("9000", str(free_port())).replace("kill %2 %1", "kill %2; wait %2; kill %1"),
        folder,
        120,
        PYTHONPATH=str(folder / "site"),
    )
    assert "cart-17 paid" in seen, seen
    assert "cart-18 paid" in seen, seen
    assert re.search(r"payment service.*the gateway acme .*answers", seen), seen
