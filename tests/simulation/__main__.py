"""``python -m tests.simulation --seeds N [--seed S] [--seconds T]``: exits 1 when a seed broke an invariant."""

import argparse
import secrets
import sys
import time

from tests.simulation.run import simulate
from tests.simulation.seeds import Tally, run_everywhere
from tests.simulation.storage import Storage


def main() -> int:
    chosen = _arguments()
    if chosen.seeds is None and chosen.seconds is None and chosen.seed is not None:
        return print_trace(chosen.seed)
    first = secrets.randbelow(2**32) if chosen.seed is None else chosen.seed
    number = chosen.seeds or (1000 if chosen.seconds is None else sys.maxsize)
    print(
        f"Seeds from {first} on; `python -m tests.simulation --seed S` prints the trace of one.",
        flush=True,
    )
    progress = ProgressLine(number)
    tally = run_everywhere(first, number, seconds=chosen.seconds or float("inf"), on_progress=progress.show)
    progress.end(tally)
    print(report(tally, time.monotonic() - progress.started))
    for seed, violation in sorted(tally.bad):
        print(f"\nSeed {seed}: {violation}\n  python -m tests.simulation --seed {seed}")
    return 1 if tally.bad else 0


def print_trace(seed: int) -> int:
    """Run one seed and print everything that happens in it."""
    storage = Storage()
    try:
        outcome = simulate(seed, storage, keep_trace=True)
    finally:
        storage.close()
    print("\n".join(outcome.lines))
    print(f"\nSeed {seed}: {outcome.violation or 'every invariant holds'}")
    return 1 if outcome.violation else 0


def report(tally: Tally, seconds: float) -> str:
    """What was tried, how often each fault occurred, and which never did."""
    lines = [
        f"{tally.seeds} runs in {seconds:.0f} s ({tally.seeds / seconds:.0f} a second),"
        f" {tally.virtual_seconds / 3600:.0f} hours of virtual time",
        f"{sum(tally.orders.values())} orders: "
        + ", ".join(f"{number} {status}" for status, number in tally.orders.most_common()),
        f"{tally.charged} charges in the payment services' own ledgers",
        "From the last fault until no order was open: "
        + ", ".join(f"{tally.rest_of(share):.0f} s ({share:.0%} of the runs)" for share in (0.5, 0.99, 1.0)),
        "",
        *_columns(tally.seen),
        "",
        "Processes killed at",
        *_columns(tally.killed_at),
        "",
        "How many of the orders end in review where no operator acts, by what the payment service offers",
        *(f"{share:>8.1%} of {number:>6}  {kind}" for kind, share, number in tally.review_shares),
    ]
    if tally.never_seen:
        lines += ["", f"Never occurred: {', '.join(tally.never_seen)}"]
    result = f"{len(tally.bad)} runs broke an invariant" if tally.bad else "Every invariant held in every run"
    return "\n".join([*lines, "", f"{result}."])


def _columns(counts: dict[str, int]) -> list[str]:
    return [f"{number:>8}  {name}" for name, number in sorted(counts.items())]


class ProgressLine:
    """On a terminal one line that changes, elsewhere a new line now and then."""

    def __init__(self, number: int) -> None:
        self.started = time.monotonic()
        self._number = number
        self._shown_at = self.started
        self._terminal = sys.stdout.isatty()
        self._bad = 0

    def show(self, tally: Tally) -> None:
        """Say how far it is; a bad seed at once, because thousands may follow."""
        for seed, violation in tally.bad[self._bad :]:
            print(f"Seed {seed}: {violation}", flush=True)
        self._bad = len(tally.bad)
        now = time.monotonic()
        if now - self._shown_at >= (0.5 if self._terminal else 20.0):
            self._shown_at = now
            print(self._line(tally, now), end="\r" if self._terminal else "\n", flush=True)

    def end(self, tally: Tally) -> None:
        if self._terminal:
            print(self._line(tally, time.monotonic()))

    def _line(self, tally: Tally, now: float) -> str:
        of = "" if self._number == sys.maxsize else f" of {self._number}"
        rate = tally.seeds / (now - self.started)
        return f"{tally.seeds}{of} runs, {rate:.0f} a second, {len(tally.bad)} bad"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, help="how many seeds to try (1000, unless --seconds is given)")
    parser.add_argument("--seed", type=int, help="the first seed; alone: print its trace")
    parser.add_argument("--seconds", type=float, help="begin no more runs after so many seconds")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
