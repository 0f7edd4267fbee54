"""``python -m tests.mutants [--simulate N] [NAME …]``: exits 1 unless every mutant that is tried is noticed.

The tests of its catalogue entry must notice it. With ``--simulate``, N runs of the simulation must, if the entry says
that they can.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants.catalogue import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("breakwall", "deploy", "examples", "producers", "worker", "tests", "docs", "pyproject.toml")
BOUND = 300.0


def main() -> int:
    asked = _arguments()
    chosen = [mutant for mutant in MUTANTS if not asked.names or mutant.name in asked.names]
    if asked.simulate:
        chosen = [mutant for mutant in chosen if mutant.simulated]
    missed = [mutant.name for mutant in chosen if not _noticed(mutant, asked.simulate)]
    print(f"{len(chosen) - len(missed)} of {len(chosen)} mutants noticed")
    return 1 if missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="mutants (default: all)", metavar="NAME")
    parser.add_argument("--simulate", type=int, metavar="N", help="try them with N runs of the simulation")
    return parser.parse_args()


def _noticed(mutant: Mutant, runs: int | None) -> bool:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="breakwall-mutant-") as folder:
        _copy_tree(Path(folder))
        _mutate(Path(folder), mutant)
        red = _breaks_a_run(Path(folder), runs) if runs else _turns_red(Path(folder), mutant)
    print(f"{'red  ' if red else 'GREEN'}  {mutant.name}  ({time.monotonic() - started:.0f} s)", flush=True)
    return red


def _copy_tree(folder: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            # Links as links: `breakwall/worker` has to be the folder that is mutated.
            shutil.copytree(
                source, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(source, folder / name)


def _mutate(folder: Path, mutant: Mutant) -> None:
    path = folder / mutant.path
    text = path.read_text("utf-8")
    if text.count(mutant.line) != 1:
        raise SystemExit(
            f"{mutant.name}: {mutant.path} has its line {text.count(mutant.line)} times, not once"
        )
    path.write_text(text.replace(mutant.line, mutant.instead), "utf-8")


def _breaks_a_run(folder: Path, runs: int) -> bool:
    # Always the same seeds, so that the result can be repeated.
    command = [sys.executable, "-m", "tests.simulation", "--seed", "0", "--seeds", str(runs)]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 1


def _turns_red(folder: Path, mutant: Mutant) -> bool:
    # The copy comes first on the path of `python -m`, before the installed tree.
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *mutant.tests]
    try:
        every_case = {**os.environ, "EVERY_CASE": "1"}  # A mutant may be seen on one of the databases alone.
        done = subprocess.run(
            command, cwd=folder, capture_output=True, timeout=BOUND, check=False, env=every_case
        )
    except subprocess.TimeoutExpired:
        return True
    if done.returncode not in {0, 1}:
        raise SystemExit(
            f"{mutant.name}: the tests did not run\n{done.stdout.decode()}{done.stderr.decode()}"
        )
    return done.returncode == 1


if __name__ == "__main__":
    raise SystemExit(main())
