"""Names of people who act, as sentences have them. Without a name a sentence has none."""

NO_NAME = "unknown"  # What is recorded for who gave no name.
A_PERSON = "a person"  # In a text that is stored, instead of a name.


def is_named(actor: str) -> bool:
    """Whether the name of who acted is known."""
    return actor != NO_NAME


def by_actor(actor: str) -> str:
    """`` by anna``, to be put behind what was done; empty without a name."""
    return f" by {actor}" if is_named(actor) else ""


def name_or(nothing: str, actor: str) -> str:
    """The name for a field of its own; ``nothing`` without one."""
    return actor if is_named(actor) else nothing
