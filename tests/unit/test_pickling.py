"""Errors and results keep their content on the way from another process."""

import copy
import dataclasses
import importlib
import inspect
import multiprocessing
import pickle
import pkgutil
import typing
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import _ExceptionWithTraceback
from datetime import UTC, datetime
from enum import Enum
from multiprocessing.pool import ExceptionWithTraceback
from types import UnionType
from typing import Any

import pytest

import breakwall
import producers
import worker
from breakwall.breaker import CircuitBreakerError
from breakwall.payments.orders import InvalidOrderError
from breakwall.settings import SettingsError
from tests.unit.pool_tasks import EXAMPLES, fail, results

PLAIN: dict[object, object] = {
    str: "a text",
    int: 7,
    float: 1.5,
    dict: {"field": "a text"},
    list: ["a text"],
    Iterable: ["a text"],
}
"""A value for each type of the errors' arguments."""

READS_THE_ENVIRONMENT = {"breakwall.__main__", "worker.celery", "breakwall.migrations.env"}


def errors() -> Iterator[type[BaseException]]:
    """All error classes of the three packages."""
    seen: set[type[BaseException]] = set()
    for package in (breakwall, producers, worker):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name in READS_THE_ENVIRONMENT or ".versions." in module.name:
                continue
            for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                if issubclass(found, BaseException) and found.__module__ == module.name:
                    seen.add(found)
    yield from sorted(seen, key=lambda kind: f"{kind.__module__}.{kind.__qualname__}")


ERRORS = list(errors())


def made(kind: type[BaseException]) -> BaseException:
    """An error of this class, with a value for each argument."""
    if "__init__" not in vars(kind) and kind.__init__ in {base.__init__ for base in BUILT_IN}:
        return kind("a text")
    wanted = typing.get_type_hints(kind.__init__, vars(importlib.import_module(kind.__module__)))
    wanted.pop("return", None)
    return kind(*(value_of(hint) for hint in wanted.values()))


BUILT_IN = (BaseException, Exception, ValueError, LookupError, OSError)


def value_of(hint: Any) -> object:
    if hint in PLAIN:
        return PLAIN[hint]
    origin = typing.get_origin(hint)
    if origin in {UnionType, typing.Union}:
        return value_of(typing.get_args(hint)[0])
    if origin is Mapping or origin is dict:
        key, _ = typing.get_args(hint)
        return {value_of(key): "a text"}
    if origin is not None:
        return PLAIN[origin]
    if issubclass(hint, Enum):
        return next(iter(hint))
    if hint is datetime:
        return datetime(2026, 11, 28, tzinfo=UTC)
    hints = typing.get_type_hints(hint)
    return hint(**{field.name: value_of(hints[field.name]) for field in needed(hint)})


def needed(kind: Any) -> Iterator[dataclasses.Field[Any]]:
    nothing = dataclasses.MISSING
    return (one for one in dataclasses.fields(kind) if one.default is nothing is one.default_factory)


def assert_the_same(again: BaseException, error: BaseException) -> None:
    assert type(again) is type(error)
    assert (str(again), again.args, vars(again)) == (str(error), error.args, vars(error))


def test_the_packages_have_errors() -> None:
    assert {InvalidOrderError, SettingsError, CircuitBreakerError} <= set(ERRORS)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_is_the_same_after_a_copy_and_after_pickling(kind: type[BaseException]) -> None:
    error = made(kind)
    error.add_note("seen in a test")
    assert_the_same(copy.copy(error), error)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert_the_same(pickle.loads(pickle.dumps(error, protocol)), error)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_survives_the_wrappers_of_pools(kind: type[BaseException]) -> None:
    for wrap in (_ExceptionWithTraceback, ExceptionWithTraceback):
        again = pickle.loads(pickle.dumps(wrap(made(kind), None)))
        assert type(again) is kind
        assert str(again) == str(made(kind))


def test_invalid_order_and_idempotency_conflict_come_out_of_a_process_pool() -> None:
    """A row of the fault map: the pool broke, or waited for ever."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        for number, error in enumerate(EXAMPLES):
            raised = pool.submit(fail, number).exception(timeout=60)
            assert raised is not None
            assert_the_same(raised, error)
        assert pool.submit(results).result(timeout=60) == results()
