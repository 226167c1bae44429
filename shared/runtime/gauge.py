"""What a gauge is: a number that is read when it is scraped."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Values = Mapping[tuple[str, ...], float]
"""The value by the values of its labels."""


@dataclass(frozen=True)
class Gauge:
    """A number of one service: ``read`` asks what it is read from; every value has the label ``service`` besides."""

    name: str
    meaning: str
    read: Callable[[Any], Values]
    labels: tuple[str, ...] = ()


Sample = tuple[Gauge, Values]


def one(value: float) -> Values:
    """The value of a gauge without labels of its own."""
    return {(): float(value)}


def age(since: datetime, now: datetime) -> float:
    """Seconds since a moment."""
    return max(0.0, (now - since).total_seconds())
