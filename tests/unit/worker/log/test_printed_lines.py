"""One event of each printed line."""

from __future__ import annotations

import threading

from breakwall.worker.log.printed_lines import LONGEST, PrintedLines


class Heard:
    encoding = "utf-8"

    def __init__(self) -> None:
        self.texts: list[str] = []

    def write(self, text: str) -> None:
        self.texts.append(text)


def test_a_printed_line_is_one_event() -> None:
    heard = Heard()
    stream = PrintedLines(heard)
    print("LISTENER", "order.paid", "cart-1", file=stream)
    print(file=stream)
    print("two\nlines", file=stream)
    assert heard.texts == ["LISTENER order.paid cart-1", "two", "lines"]


def test_lines_of_two_threads_do_not_mix() -> None:
    heard = Heard()
    stream = PrintedLines(heard)
    stream.write("first, ")
    other = threading.Thread(target=stream.write, args=("other\n",))
    other.start()
    other.join()
    stream.write("second\n")
    assert heard.texts == ["other", "first, second"]


def test_the_beginning_of_a_line_is_passed_on_at_a_flush_and_when_it_is_long() -> None:
    heard = Heard()
    stream = PrintedLines(heard)
    print("wait…", end="", file=stream, flush=True)
    stream.writelines(["x" * LONGEST, "y"])
    assert heard.texts == ["wait…", f"{'x' * LONGEST}y"]


def test_everything_else_is_the_streams_own() -> None:
    assert PrintedLines(Heard()).encoding == "utf-8"
