"""One word for one thing: no name uses a word that was given up, and a class name means one class."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from tests.source_tree import Module, product_modules, suite_modules

GIVEN_UP = {
    "agenda": "delayed jobs",
    "belief": "local circuit",
    "bury|buried": "bulk retry",
    "cooldown": "backoff",
    "courier": "synchronizer",
    "keepers?": "supervisor",
    "patience": "timeout, deadline",
    "redrives?|redriven": "bulk retry",
    "rejoin(s|ed|ing)?": "conflict resolution",
    "renew(s|al|als|ed|ing)?": "key rotation, rotate",
    "(un)?settle(s|d)?|settling|settlements?": "finish, resolve, record",
    "spool(s|ed)?": "staging table",
    "strangers?": "other programs, foreign",
    "surroundings": "environment",
    "timeshift": "clock adjustment",
    "timetable": "sync schedule",
    "witness(es)?": "observer, reporter",
}
"""What each word was replaced by. The words are regular expressions for one word of a name."""

GIVEN_UP_BUT_IN_SENTENCES = {
    "believed|believes?": "trusted",
    "books": "recorder, ledger",
    "chance|luck|dice": "random, jitter",
    "contact|news": "store status, notifier",
    "habits|weather": "behavior, outages",
    "lacks?|lacking": "exhaustion, exhausted",
    "lane": "fast path",
    "somebody|whoever": "the caller, the process",
    "patient|impatient": "timeout, deadline",
    "scenes?|story|stories": "snapshot, trace",
}
"""Ordinary words of English that the name of a test may have: it is a sentence."""

GIVEN_UP_IN_ONE_PLACE = {
    ("breakwall.breaker", "evidence"): "sliding window",
    ("breakwall.breaker", "gate"): "admission",
    ("breakwall.breaker", "links?|stand"): "store thread; conflict",
    ("breakwall.breaker", "outbox"): "pending operations",
    ("breakwall.broker", "binary|lines?"): "server program; connection",
    ("breakwall.demo", "course|plan|play|stage"): "timeline, scenario, screen",
    ("breakwall.demo", "promises?|reconciliation"): "acknowledgements; proof",
    ("breakwall.payments", "differences?|draws?|plans?"): "discrepancies; jitter; query hints",
    ("breakwall.worker", "says?|tells?|telling"): "log, report, notify",
}
"""Words that mean something else, and the right thing, in another place."""

STORED_OR_PUBLIC = {
    "settle_(time|seconds)": "PAYMENT_SETTLE_SECONDS is a public setting",
    "settled_(at|by)": "columns of orders and of attempts",
}
"""Parts of names that keep a word that was given up, and why. They are regular expressions."""


def names_of(module: Module) -> Iterator[str]:
    """The file's, its folder's if it is a package, and those of its classes and functions."""
    yield module.name.rpartition(".")[2]
    yield from (definition.name for definition in module.definitions())


def words_of(name: str) -> list[str]:
    """ "_LookUpAnswer" and "look_up_answer" are look, up, answer."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def given_up(module: Module, name: str) -> Iterator[tuple[str, str]]:
    """The words of a name that were given up, each with what to use in its place."""
    is_sentence = module.name.startswith("tests.") and name.startswith(("test_", "Test"))
    name = re.sub("|".join(STORED_OR_PUBLIC), "", name)
    table = GIVEN_UP if is_sentence else GIVEN_UP | GIVEN_UP_BUT_IN_SENTENCES
    here = {
        words: instead
        for (place, words), instead in GIVEN_UP_IN_ONE_PLACE.items()
        if f"{module.name}.".startswith(f"{place}.")
    }
    for word in words_of(name):
        yield from ((word, table[words]) for words in table if re.fullmatch(words, word))
        yield from ((word, here[words]) for words in here if re.fullmatch(words, word))
    if not is_sentence and re.search("LookUp|look_ups", name):
        yield "LookUp", "Lookup, lookups; `look_up` is the verb"


def test_no_name_uses_a_word_that_was_given_up() -> None:
    modules = [*product_modules().values(), *suite_modules().values()]
    found = sorted(
        f"{module.file}: {name}: not {word!r} but {instead}"
        for module in modules
        for name in names_of(module)
        for word, instead in given_up(module, name)
    )
    assert not found, "\n" + "\n".join(found)


def test_a_class_name_is_one_class_of_the_product() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for module in product_modules().values():
        for name in {definition.name for definition in module.definitions() if definition.name[0].isupper()}:
            places[name].append(str(module.file))
    twice = {name: files for name, files in places.items() if len(files) > 1}
    assert not twice, "\n" + "\n".join(f"{name}: {', '.join(files)}" for name, files in twice.items())
