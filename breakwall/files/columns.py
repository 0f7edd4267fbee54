"""Finds our fields among a file's columns, or the fields of its JSON objects."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from breakwall.files.errors import UnreadableFileError

_ITEM = re.compile(r'\s*([^=,"]+?)\s*=\s*((?:"[^"]*"|[^",])+)(?:,|\Z)')
_NAME = re.compile(r'"([^"]*)"|([^|"]+)')
_MAX_LISTED = 40  # Names that an error lists.
_MAX_SHOWN = 60  # Characters of a name that an error shows.


class ColumnsError(ValueError):
    """A description of columns cannot be understood."""


class Columns:
    """The names of the columns for each of our fields.

    Case, spaces, underscores and dashes in names do not matter. ``metadata.key`` is also the field ``key`` of a JSON
    object's field ``metadata``.
    """

    def __init__(
        self,
        defaults: Mapping[str, Sequence[str]],  # by field, the columns that may hold it; one is enough
        required: Sequence[str],  # the fields that every file must have
        # By field, the columns that the caller named instead of the defaults; all of them must be there.
        chosen: Mapping[str, Sequence[str]] | None = None,
        *,
        secret: bool = False,  # Without a header, the first row is not shown in its place.
    ) -> None:
        self._secret = secret
        self._needed = (*dict.fromkeys((*required, *(chosen or ()))),)
        self.chosen = dict(chosen or {})
        self.names: dict[str, Sequence[str]] = {**defaults, **self.chosen}

    def fits(self, header: Sequence[str]) -> bool:
        """Whether a CSV file with these columns can be understood."""
        return not self._absent({fold(name) for name in header})

    def bind(self, number: int, header: Sequence[str]) -> dict[str, list[int]]:
        """The positions of each field's columns in the ``header`` on line ``number``.

        `UnreadableFileError` if a column is missing, or is there twice.
        """
        self.check(number, {name: fold(name) for name in header if name})
        return {
            field: [at for name in names for at in _where(number, field, name, header)]
            for field, names in self.names.items()
        }

    def check(self, number: int, found: Mapping[str, str]) -> None:
        """Raise `UnreadableFileError` if a needed column is missing; ``found`` has folded names by name."""
        absent = self._absent(set(found.values()))
        if not absent:
            return
        known = {fold(name) for names in self.names.values() for name in names}
        if self._secret and known.isdisjoint(found.values()):
            wanted = ", ".join(self._needed)
            problem = (
                f"none of the {len(found)} columns has the name of a field. The file should begin with a header that "
                f"has {wanted}; where its names are others, say which is which: --columns {self._needed[0]}=…"
            )
            raise UnreadableFileError(number, None, problem)
        listed = ", ".join(map(shown, list(found)[:_MAX_LISTED])) + (" …" if len(found) > _MAX_LISTED else "")
        named = [self._named(field, name) for field, name in absent.items()]
        advice = ",".join(f"{field}=…" for field in absent)
        has = f"the columns {listed}" if listed else "no columns"
        problem = f"the file has {has}. Missing: {', '.join(named)}. Say which is which: --columns {advice}"
        raise UnreadableFileError(number, next(iter(absent)), problem)

    def _absent(self, folded: set[str]) -> dict[str, str]:
        """By field, the first of its columns that is missing."""
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
        """The column names of the fields that every file must have."""
        return {field: self.names[field] for field in self._needed}

    def values(self, document: Mapping[str, Any]) -> dict[str, list[Any]]:
        """By field, the values of a JSON object that are neither null nor empty."""
        return {
            field: [value for name in names if (value := value_at(document, name)) not in (None, "")]
            for field, names in self.names.items()
        }


def parse_columns(text: str, fields: Sequence[str]) -> dict[str, list[str]]:
    """Read ``charge_id=id,amount="Amount, gross",key=Invoice|Reference``: by field, the columns that hold it.

    `ColumnsError` if it cannot be understood; its text says what would be right.
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
    """A name without case, spaces, underscores and dashes: ``fold("Charge-ID") == fold("charge_id")``."""
    return re.sub(r"[\s_\-]+", "", name).casefold()


def value_at(document: Any, path: str, missing: Any = None) -> Any:
    """The value at a path of a JSON document: ``value_at({"a": {"b": 1}}, "a.b") == 1``."""
    if not isinstance(document, dict):
        return missing
    if path in document:
        return document[path]
    wanted = fold(path)
    for name in document:
        if fold(name) == wanted:
            return document[name]
    head, dot, rest = path.partition(".")
    return value_at(value_at(document, head), rest, missing) if dot else missing


def shown(name: str) -> str:
    """A name from a file, shortened and safe for a terminal."""
    short = name if len(name) <= _MAX_SHOWN else f"{name[:_MAX_SHOWN]}…"
    return short if short.isprintable() else repr(short)


def _where(number: int, field: str, name: str, header: Sequence[str]) -> list[int]:
    exact = [at for at, column in enumerate(header) if column == name]
    found = exact or [at for at, column in enumerate(header) if fold(column) == fold(name)]
    if len(found) > 1:
        raise UnreadableFileError(number, field, f"the column {name} should be there once, not twice")
    return found
