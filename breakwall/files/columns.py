"""Which column of a file, or field of its objects, is which of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from breakwall.files.errors import UnreadableFileError

_ITEM = re.compile(r'\s*([^=,"]+?)\s*=\s*((?:"[^"]*"|[^",])+)(?:,|\Z)')
_NAME = re.compile(r'"([^"]*)"|([^|"]+)')
_TOLD = 40
"""Names that an error lists."""

_LONGEST = 60
"""Characters of a name that are told."""


class ColumnsError(ValueError):
    """What was said about columns cannot be meant."""


class Columns:
    """Names of columns for each of our fields.

    Names are the same whatever their case, spaces, underscores and dashes. ``metadata.key`` is also the field
    ``key`` of a JSON object's field ``metadata``.

    Args:
        defaults: the columns that may hold a field where nothing else is said; any one of them.
        required: the fields without which a file cannot be understood.
        chosen: the columns that the caller has named, instead of the defaults; all of them must be there.
    """

    def __init__(
        self,
        defaults: Mapping[str, Sequence[str]],
        required: Sequence[str],
        chosen: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._needed = (*dict.fromkeys((*required, *(chosen or ()))),)
        self.chosen = dict(chosen or {})
        self.names: dict[str, Sequence[str]] = {**defaults, **self.chosen}

    def fits(self, header: Sequence[str]) -> bool:
        """Whether a CSV file with these columns can be understood."""
        return not self._absent({fold(name) for name in header})

    def bind(self, number: int, header: Sequence[str]) -> dict[str, list[int]]:
        """Where each field's columns are.

        Args:
            number: the header's line.
            header: the columns.

        Raises:
            UnreadableFileError: one that is needed is missing, or there twice.
        """
        self.check(number, {name: fold(name) for name in header if name})
        return {
            field: [at for name in names for at in _where(number, field, name, header)]
            for field, names in self.names.items()
        }

    def check(self, number: int, found: Mapping[str, str]) -> None:
        """Raise `UnreadableFileError` unless all that is needed is among the names, given with their folds."""
        absent = self._absent(set(found.values()))
        if not absent:
            return
        listed = ", ".join(map(shown, list(found)[:_TOLD])) + (" …" if len(found) > _TOLD else "")
        named = [self._named(field, name) for field, name in absent.items()]
        advice = ",".join(f"{field}=…" for field in absent)
        problem = (
            f"there is no column {', '.join(named)}. The file has {listed or 'no columns'}. "
            f"Say which is which: --columns {advice}"
        )
        raise UnreadableFileError(number, next(iter(absent)), problem)

    def _absent(self, folded: set[str]) -> dict[str, str]:
        """The columns that are missing, by field."""
        absent = {}
        for field in self._needed:
            missing = [name for name in self.names[field] if fold(name) not in folded]
            if missing and (field in self.chosen or len(missing) == len(self.names[field])):
                absent[field] = missing[0]
        return absent

    def _named(self, field: str, name: str) -> str:
        return f"{name!r} ({field})" if field in self.chosen else name

    @property
    def needed(self) -> Mapping[str, Sequence[str]]:
        """The names of the fields without which a file cannot be understood."""
        return {field: self.names[field] for field in self._needed}

    def values(self, document: Mapping[str, Any]) -> dict[str, list[Any]]:
        """What a JSON object has of each field, whatever is neither null nor empty."""
        return {
            field: [value for name in names if (value := look_up(document, name)) not in (None, "")]
            for field, names in self.names.items()
        }


def parse_columns(text: str, fields: Sequence[str]) -> dict[str, list[str]]:
    """Read ``charge_id=id,amount="Amount, gross",key=Invoice|Reference``.

    Args:
        text: our fields and, for each, the column that holds it, or several with bars between them.
        fields: the fields that there are.

    Raises:
        ColumnsError: saying what would be right.
    """
    chosen: dict[str, list[str]] = {}
    at = 0
    while at < len(text):
        item = _ITEM.match(text, at)
        if item is None:
            raise ColumnsError(f"should be pairs such as {fields[0]}=NAME,{fields[1]}=NAME, and is {text!r}")
        if item[1] not in fields:
            raise ColumnsError(f"{item[1]!r} is no field; the fields are {', '.join(fields)}")
        if item[1] in chosen:
            raise ColumnsError(f"{item[1]} should be there once, not twice")
        chosen[item[1]] = [(quoted or plain).strip() for quoted, plain in _NAME.findall(item[2])]
        at = item.end()
    return chosen


@lru_cache(maxsize=4096)
def fold(name: str) -> str:
    """A name without what people write differently: ``fold("Charge-ID") == fold("charge_id")``."""
    return re.sub(r"[\s_\-]+", "", name).casefold()


def look_up(document: Any, path: str, missing: Any = None) -> Any:
    """What is at a path of a JSON document: ``look_up({"a": {"b": 1}}, "a.b") == 1``."""
    if not isinstance(document, dict):
        return missing
    if path in document:
        return document[path]
    wanted = fold(path)
    for name in document:
        if fold(name) == wanted:
            return document[name]
    head, dot, rest = path.partition(".")
    return look_up(look_up(document, head), rest, missing) if dot else missing


def shown(name: str) -> str:
    """A name from a file, short and safe to be written to a terminal."""
    short = name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…"
    return short if short.isprintable() else repr(short)


def _where(number: int, field: str, name: str, header: Sequence[str]) -> list[int]:
    exact = [at for at, column in enumerate(header) if column == name]
    found = exact or [at for at, column in enumerate(header) if fold(column) == fold(name)]
    if len(found) > 1:
        raise UnreadableFileError(number, field, f"the column {name} should be there once, not twice")
    return found
