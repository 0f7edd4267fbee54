"""The option ``--metadata`` of commands that charge."""

from breakwall.payments.orders import InvalidOrderError


def metadata_named(pairs: list[str]) -> dict[str, str]:
    """The metadata in ``NAME=VALUE`` texts. `InvalidOrderError` counts entries, because their text may be secret."""
    found: dict[str, str] = {}
    for number, pair in enumerate(pairs, 1):
        name, equals, value = pair.partition("=")
        if not equals:
            raise InvalidOrderError({"metadata": f"entry {number} should be NAME=VALUE"})
        if name in found:
            raise InvalidOrderError({"metadata": f"entry {number} has the name of another entry"})
        found[name] = value
    return found
