"""What people write, made plain enough to be read, without ever making another number of it."""

import re
import unicodedata
from decimal import Decimal

MOST, DECIMALS = 10**12, 6
"""The bounds of a quantity of something: a million million, and six decimals."""


def within_bounds(number: Decimal) -> bool:
    """Whether a number can be a quantity of something."""
    return 0 <= number <= MOST and number == round(number, DECIMALS)


def narrow(text: str) -> str:
    """The text with full-width signs and other forms of the same characters made ordinary.

    A character that is no plain digit never becomes one: 10², ① and ½ stay what they are.
    """
    if text.isascii():
        return text
    return "".join(map(_narrowed, text))


def _narrowed(character: str) -> str:
    plain = unicodedata.normalize("NFKC", character)
    return plain if character.isdecimal() or not any(map(str.isdecimal, plain)) else character


def closed_up(text: str) -> str:
    """The text without blanks; between two digits one stays, because they stood apart."""
    return re.sub(r"(?<=[0-9])(\s)\s*(?=[0-9])|\s+", lambda blank: " " if blank[1] else "", text)
