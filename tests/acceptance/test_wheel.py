"""The wheel, installed beside a shop whose folder has modules with the names of ours and of what we use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import tarfile
import time
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.workspace import free_port

ROOT = Path(__file__).parents[2]
HOSTILE = ("worker", "producers", "tests", "celery", "redis", "settings", "cli", "names")

SHOP = """\
from breakwall.producers import DatabaseUnavailableError, Order, OrderProducer, PlaceResult
from breakwall.worker.app import create_app

def buy(producer: OrderProducer) -> str:
    try:
        result: PlaceResult = producer.place(Order("u1", 100, "KRW", "cart-1"))
    except DatabaseUnavailableError:
        return "later"
    reveal_type(result)
    reveal_type(create_app)
    return result.order_id
"""

IN_PYTHON = """\
import worker, producers
assert worker.OURS == producers.OURS == "the shop's"
from breakwall.producers import Order, OrderProducer
from breakwall.worker.retry import Retrier
with OrderProducer.from_settings() as producer:
    print(producer.place(Order("u1", 100, "KRW", "cart-1")).status)
assert worker.OURS == "the shop's"
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


def test_a_source_distribution_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    _run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path), cwd=ROOT)
    (packed,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path, filter="data")
    source = tmp_path / packed.name.removesuffix(".tar.gz")
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path), cwd=source)
    (again,) = tmp_path.glob("*.whl")
    assert zipfile.ZipFile(again).namelist() == zipfile.ZipFile(wheel).namelist()


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the wheel, and for the rest what this one has, but for the repository."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    install = ("--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel))
    _run(sys.executable, "-m", "pip", "--disable-pip-version-check", *install)
    (site,) = folder.glob("lib/python*/site-packages")
    # A line, not a site: the path of the editable installation is not followed from here.
    (site / "theirs.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The shop's folder. Breakwall does not stand on the path that it is on."""
    for name in HOSTILE:
        (tmp_path / f"{name}.py").write_text('OURS = "the shop\'s"\n')
    return tmp_path


def _run(*command: str, cwd: Path | None = None, code: int = 0) -> str:
    ran = subprocess.run(
        command, cwd=cwd, env=_environment(), capture_output=True, text=True, check=False, timeout=170
    )
    assert ran.returncode == code, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran.stdout


def _environment(**more: str) -> dict[str, str]:
    left_out = ("BREAKWALL_", "PYTHON", "CELERY_")
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)} | more


def test_every_package_of_it_is_typed(wheel: Path) -> None:
    held = zipfile.ZipFile(wheel).namelist()
    assert {"breakwall/py.typed", "producers/py.typed", "worker/py.typed"} <= set(held)


def test_beside_breakwall_it_has_second_names_alone(wheel: Path) -> None:
    held = [Path(name) for name in zipfile.ZipFile(wheel).namelist()]
    others = {str(name) for name in held if name.parts[0] in {"producers", "worker"}}
    assert {Path(name).name for name in others} == {"__init__.py", "py.typed"}
    assert Path("breakwall/worker/app.py") in held
    tops = {name.parts[0] for name in held if not name.parts[0].endswith(".dist-info")}
    assert tops == {"breakwall", "producers", "worker"}


def test_a_shop_is_type_checked_against_it(python: Path, shop: Path) -> None:
    (shop / "buying.py").write_text(SHOP)
    # A cache that outlives the test: SQLAlchemy alone takes seconds.
    cache = ROOT / ".mypy_cache" / "wheel"
    checker = (sys.executable, "-P", "-m", "mypy", "--strict", "--python-executable", str(python))
    found = _run(*checker, "--cache-dir", str(cache), "buying.py", cwd=shop)
    assert 'Revealed type is "breakwall.producers.pending.PlaceResult"' in found
    assert "breakwall.settings.model.Settings) -> " in found
    assert "Success" in found


def test_its_commands_run_in_a_folder_with_such_modules(python: Path, shop: Path) -> None:
    for command in ([str(python.parent / "breakwall")], [str(python), "-m", "breakwall"]):
        assert "order" in _run(*command, "orders", "--help", cwd=shop)
        assert "No order waits." in _run(*command, "backlog", cwd=shop)
        _run(*command, "worker", "--nonsense", cwd=shop, code=2)


def test_python_has_ours_and_the_shops_at_once(python: Path, shop: Path) -> None:
    (shop / "celery.py").unlink()  # in a script of the shop's own, that is what it has asked for
    (shop / "redis.py").unlink()
    (shop / "buying.py").write_text(IN_PYTHON)
    assert _run(str(python), "buying.py", cwd=shop) == "queued\n"


@pytest.mark.parametrize("name", ["worker", "producers"])
def test_the_short_names_are_the_same_unless_another_program_has_them(
    python: Path, tmp_path: Path, name: str
) -> None:
    looks = f"import breakwall.{name}, {name}; print({name} is breakwall.{name})"
    assert _run(str(python), "-c", looks, cwd=tmp_path) == "True\n"


def test_a_celery_worker_starts_by_the_long_name(python: Path, shop: Path) -> None:
    # As Celery's own script does it: the working folder is not on the path, until Celery looks for the app.
    line = [str(python), "-P", "-m", "celery", "-A", "breakwall.worker", "worker", "--loglevel", "INFO"]
    with _running(line, shop) as log:
        _wait_until_said(log, " ready.")


def test_up_starts_its_programs_there(python: Path, shop: Path) -> None:
    options = ("--payment-port", "--control-port", "--api-port")
    ports = [word for option in options for word in (option, str(free_port()))]
    with _running([str(python.parent / "breakwall"), "up", *ports], shop) as log:
        _wait_until_said(log, "Everything is up.")


def test_in_the_repository_the_short_name_starts_a_worker() -> None:
    assert "payments.retry" in _run(sys.executable, "-P", "-m", "celery", "-A", "worker", "report", cwd=ROOT)


@contextmanager
def _running(line: list[str], folder: Path) -> Iterator[Path]:
    log = folder / "its.log"
    with log.open("wb") as out:
        process = subprocess.Popen(line, cwd=folder, env=_environment(), stdout=out, stderr=out)
    try:
        yield log
        process.send_signal(signal.SIGINT)
        process.wait(60)
    finally:
        process.kill()
        process.wait()


def _wait_until_said(log: Path, words: str) -> None:
    deadline = time.monotonic() + 60
    while words not in (said := log.read_text()):
        assert time.monotonic() < deadline, said
        assert "Traceback" not in said, said
        time.sleep(0.05)
