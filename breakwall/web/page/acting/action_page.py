"""The page of one action, as plain values: what will happen, the facts that decide, and the form. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from breakwall.pickling import Picklable
from breakwall.web.page.acting.form_field import FormField


@dataclass(frozen=True, slots=True)
class Link:
    """An action that is possible now. ``id`` stays while the page around it changes."""

    address: str
    text: str

    @property
    def id(self) -> str:
        return self.address.strip("/").replace("/", "-")


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that the decision depends on. ``address``: a page about it, or None."""

    name: str
    value: str
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionPage:
    """One action, in the reader's language.

    Attributes:
        title, button: what is done. The button says it as an order: "Pause the queue".
        explanation: sentences on what will happen, where and when.
        facts: what decides, as it is now.
        fields: the action's own fields. The reason, and the name of who acts, are added to them.
        hidden: more values that the form sends.
        version: what the person has decided on, see `version_of`; if it changed before the form is sent, the page is
            shown again. Empty: nothing is compared.
        back: the address where the person came from.
        is_question: the form only asks for the next page (its method is GET): it changes nothing and has no reason.
    """

    title: str
    button: str
    explanation: tuple[str, ...]
    facts: tuple[Fact, ...] = ()
    fields: tuple[FormField, ...] = ()
    hidden: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    back: str = "/"
    is_question: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What was done: a key of `labels.DONE`. ``address``: the page that says so; None: where the person came from."""

    kind: str
    address: str | None = None


class ActionRefusedError(Picklable, Exception):
    """Nothing was done, or nobody knows: the form is shown again, with everything that was typed.

    ``sentence``: what is the case and what to do, in the reader's language. ``problems``: by field, what would be
    right. ``status``: of the answer.
    """

    def __init__(self, sentence: str, status: int = 409, problems: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status
        self.problems = problems or {}


class ActionImpossibleError(Picklable, Exception):
    """The state does not allow the action: its page has no form, but says why and leads to what is possible.

    ``why``: in the reader's language. ``status``: of the answer.
    """

    def __init__(
        self, title: str, why: str, links: Iterable[Link] = (), back: str = "/", status: int = 409
    ) -> None:
        super().__init__(why)
        self.title = title
        self.why = why
        self.links = tuple(links)
        self.back = back
        self.status = status


def version_of(*parts: object) -> str:
    """A short name of a state, another one if any part differs."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
