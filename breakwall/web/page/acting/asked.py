"""What a person asks for with an action's form, and who the person is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from breakwall.payments.interventions import MAX_REASON, Author
from breakwall.web.access.principal import Principal
from breakwall.web.page.acting.action_page import ActionPage, ActionRefusedError
from breakwall.web.page.acting.form_field import FormField
from breakwall.web.page.words import Words
from breakwall.web.services import Services

REASON, ACTOR, SEEN = "reason", "actor", "seen"  # The names of the fields that every form has.
_MOST_FIELDS = 30


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for an action.

    ``path``: the parameters of the address. ``given``: the fields of the form that was sent, or of the address's query
    as long as none was.
    """

    services: Services
    words: Words
    principal: Principal
    path: Mapping[str, str]
    given: Mapping[str, str]

    def typed(self, name: str) -> str:
        """What a field holds, without the spaces around it; empty if it is missing."""
        return self.given.get(name, "").strip()

    def fields(self, page: ActionPage) -> Iterator[FormField]:
        """The fields of an action's form: its own, and who acts and why."""
        yield from page.fields
        if page.is_question:
            return
        text = self.words.text
        yield FormField(
            name=REASON, label=text("Reason"), help=text("Why; it is recorded."), limit=MAX_REASON
        )
        if self.principal.name is None:
            label, help_ = text("Your name"), text("Who acts; it is recorded.")
            yield FormField(name=ACTOR, label=label, help=help_, required=False, autocomplete="nickname")

    def author(self, page: ActionPage) -> Author:
        """Who acts and why. Raises `ActionRefusedError` if a field is wrong, or if the page's facts have changed."""
        found = {one.name: one.problem(self.typed(one.name), self.words) for one in self.fields(page)}
        if problems := {name: problem for name, problem in found.items() if problem}:
            raise self.wrong(problems)
        if page.version != self.given.get(SEEN, ""):
            raise ActionRefusedError(
                self.words.text(
                    "Nothing was done: what this page shows has changed since you opened it. Look again, and send the "
                    "form once more if you still want it."
                )
            )
        return Author(self.principal.actor(self.typed(ACTOR) or None), self.typed(REASON))

    def wrong(self, problems: Mapping[str, str]) -> ActionRefusedError:
        """The refusal of fields that cannot be used: by field, what would be right."""
        sentence = self.words.text("Nothing was done. Please put right what is wrong.")
        return ActionRefusedError(sentence, 422, problems)

    def too_late(self) -> ActionRefusedError:
        """The refusal of what another person has done, or made impossible, since the page was read."""
        return ActionRefusedError(self.words.text("Nothing was done: somebody was quicker."))


async def read_form(request: Request) -> dict[str, str]:
    """The fields of the form in the body."""
    # By hand, because a declared form would be repeated in the answer to an invalid one.
    given = await request.form(max_files=0, max_fields=_MOST_FIELDS)
    return {name: value for name, value in given.items() if isinstance(value, str)}


SentForm = Annotated[dict[str, str], Depends(read_form)]
"""The type of a route's argument that gets the fields of the form in the body."""
