"""`pip install breakwall` installs enough; the tests' own tools would hide a gap."""

import tomllib
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_what_kombu_requires_for_redis_is_required() -> None:
    """kombu's own requirements leave it out; it is in an extra, whose exact pins we do not want."""
    extra = wanted_by_kombu("redis") - wanted_by_kombu("")
    assert extra
    assert extra <= required()


def wanted_by_kombu(extra: str) -> set[str]:
    its = [Requirement(line) for line in requires("kombu") or []]
    return {one.name for one in its if one.marker is None or one.marker.evaluate({"extra": extra})}


def required() -> set[str]:
    lines = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    return {Requirement(line).name for line in lines}
