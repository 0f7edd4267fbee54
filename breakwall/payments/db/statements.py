"""Statements that are built once, instead of for each execution.

Building a statement costs more CPU than running it. Its structure depends on very little: the clock, the dialect, the
columns that exist. So a function that takes these builds it, and `built_once` keeps the result. What differs from one
execution to the next is a parameter.

In an UPDATE or INSERT, a parameter with the name of a column that the statement does not set sets that column. So every
other parameter has a name that no column has.
"""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from sqlalchemy import BindParameter, Float, bindparam

P = ParamSpec("P")
Statement = TypeVar("Statement")

# A process needs one or two of each statement. Tests make many clocks, and must not fill the memory.
KEPT = 16


def built_once(build: Callable[P, Statement]) -> Callable[P, Statement]:
    """Call ``build`` once for the same arguments, and return the same statement then."""
    # SQLAlchemy keeps the cache key of a statement in it, and compiles it once.
    return cast("Callable[P, Statement]", functools.lru_cache(maxsize=KEPT)(build))


def seconds(name: str) -> BindParameter[float]:
    """A parameter for `Clock.after`, given as seconds at the execution."""
    return bindparam(name, type_=_FLOAT)


_FLOAT = Float()

# How long a claim's lease lasts from now.
LEASE = seconds("lease_seconds")
