"""The ways in which a payment service bears load."""

from enum import StrEnum


class Kind(StrEnum):
    """How a service bears load. The values are what the report of a run calls what happened."""

    EASY = "bears any load"
    COLLAPSES = "collapses above its places"
    SLOWS = "slows down with its load"
    THROTTLES = "429 above its rate"
    HEAVY_TAIL = "charge of a heavy tail"
    SECOND_MODE = "charge of a second mode"
