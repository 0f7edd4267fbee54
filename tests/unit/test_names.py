"""One word for one thing: no name uses a word that was given up, and a class name means one class."""

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

from tests.source_tree import Module, product_modules, suite_modules

GIVEN_UP = {
    "agenda": "delayed jobs",
    "belief": "local circuit",
    "bury|buried": "bulk retry",
    "cooldown": "backoff",
    "courier": "synchronizer",
    "keepers?": "supervisor",
    "patience": "timeout, deadline",
    "redriv(e|es|en|ing)": "bulk retry",
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

GIVEN_UP_PHRASES = {
    "foreign_messages?": "strange messages",
    "publish(ed|es|ing)?_again": "republish",
    "(run|runs|ran)_out": "expire; exhausted",
    "time_outs?": "timeout",
}

GIVEN_UP_IN_ONE_PLACE = {
    ("breakwall.breaker", "evidence"): "sliding window",
    ("breakwall.breaker", "gate"): "admission",
    ("breakwall.breaker", "links?|stand"): "store thread; conflict",
    ("breakwall.breaker", "members?"): "process",
    ("breakwall.breaker", "noted?|notes"): "record, recorded",
    ("breakwall.breaker", "outbox"): "pending operations",
    ("breakwall.broker", "binary|lines?"): "server program; connection",
    ("breakwall.cli", "chunks?"): "batch",
    ("breakwall.demo", "course|plan|play|stage"): "timeline, scenario, screen",
    ("breakwall.demo", "promises?|reconciliation"): "acknowledgements; proof",
    ("breakwall.payments", "differences?|draws?|plans?"): "discrepancies; jitter; query hints",
    ("breakwall.payments", "doubt(s|ed)?|noted?|notes"): "unresolved, record",
    ("breakwall.payments.ledger", "chunks?"): "batch",
    ("breakwall.payments.operator", "chunks?"): "batch",
    ("breakwall.payments.reconciliation", "chunks?"): "batch",
    ("breakwall.worker", "beats?|says?|tells?|telling"): "heartbeat; log, report, notify",
    ("tests.chaos", "promises?"): "acknowledgements, answers",
    ("tests.contract.breaker", "members?"): "process",
    ("tests.unit.breaker", "members?"): "process",
}
"""Words that mean something else, and the right thing, in another place."""

STORED_OR_PUBLIC = {
    "first_contact": "a public setting of the breaker",
    "^lacks?$": "a public attribute of errors, and a column of workers",
    "^safe_say$": "an attribute of Celery's worker",
    "settle_(time|seconds)": "PAYMENT_SETTLE_SECONDS is a public setting",
    "settled_(at|by)": "columns of orders and of attempts",
    "^workers_lacking$": "a key in the JSON of `backlog`",
}
"""Parts of names that keep a word that was given up, and why. They are regular expressions."""


def names_of(module: Module) -> set[str]:
    """The file's name, its folder's if it is a package, and all that it defines or assigns."""
    return {module.name.rpartition(".")[2]} | module.names


def words_of(name: str) -> list[str]:
    """ "_LookUpAnswer" and "look_up_answer" are look, up, answer."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def given_up(module: Module, name: str) -> Iterator[tuple[str, str]]:
    """The words of a name that were given up, each with what to use in its place."""
    is_sentence = module.name.startswith("tests.") and name.startswith(("test_", "Test"))
    words = words_of(re.sub("|".join(STORED_OR_PUBLIC), "", name, flags=re.IGNORECASE))
    for word in words:
        yield from ((word, instead) for instead in replacements(word, "" if is_sentence else module.name))
    if is_sentence:
        return
    phrase = "_".join(words)
    yield from ((old, instead) for old, instead in GIVEN_UP_PHRASES.items() if re.search(old, phrase))
    if re.search("LookUp|look_ups", name):
        yield "LookUp", "Lookup, lookups; `look_up` is the verb"


@cache
def replacements(word: str, module: str) -> list[str]:
    """What to use for a word of a name in a module, or ("") of a sentence; nothing if the word is fine."""
    here = {
        words: instead
        for (place, words), instead in GIVEN_UP_IN_ONE_PLACE.items()
        if f"{module}.".startswith(f"{place}.")
    }
    tables = [GIVEN_UP, GIVEN_UP_BUT_IN_SENTENCES, here] if module else [GIVEN_UP]
    return [instead for table in tables for words, instead in table.items() if re.fullmatch(words, word)]


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
        for name in module.classes:
            places[name].append(str(module.file))
    twice = {name: files for name, files in places.items() if len(files) > 1}
    assert not twice, "\n" + "\n".join(f"{name}: {', '.join(files)}" for name, files in twice.items())
