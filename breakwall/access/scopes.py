"""What the holder of a token may do."""

from breakwall.api_tokens import Scope

__all__ = ["ALL_SCOPES", "Scope"]

ALL_SCOPES = frozenset(Scope)
