"""What the body of every changing action has: why, and who acts."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from breakwall.access.scopes import Scope
from breakwall.payments.interventions import MAX_REASON, Author
from breakwall.texts import MAX_LENGTH
from breakwall.web.access.principal import Principal, allow

Reader = Annotated[Principal, allow(Scope.OPS_READ)]
Operator = Annotated[Principal, allow(Scope.OPS_WRITE)]

Reason = Annotated[
    str,
    Field(min_length=1, max_length=MAX_REASON, description="Why; it is recorded.", examples=["maintenance"]),
]
Actor = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=MAX_LENGTH,
        description="Who acts, if the API runs without tokens; else the token's name is recorded.",
        examples=["kim"],
    ),
]


class ActionBody(BaseModel):
    """Why, and who acts. Other fields are refused, so that a misspelt one is not ignored."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    reason: Reason
    actor: Actor = None

    def author(self, principal: Principal) -> Author:
        """Who is recorded. Raises `InvalidAuthorError` if the name or the reason cannot be stored."""
        return Author(principal.actor(self.actor), self.reason)
