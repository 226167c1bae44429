"""The unified social credit code 统一社会信用代码 (GB 32100-2015), by which an enterprise is known."""

from shared.domain.refusal import Refusal

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""The 31 characters of the standard, each worth its place; I, O, S, V and Z are left out as too like digits."""

LENGTH = 18

_WEIGHTS = tuple(pow(3, place, 31) for place in range(LENGTH - 1))


class CreditCodeOfWrongLength(Refusal):
    """统一社会信用代码应为18位，所给的是{length}位。
    A unified social credit code has 18 characters; this one has {length}."""

    status = 422
    field = "credit_code"


class CreditCodeCharacterForbidden(Refusal):
    """统一社会信用代码第{place}位“{character}”无效：只用数字和大写字母，不用 I、O、S、V、Z。
    Character {place} of the credit code, "{character}", is not allowed: digits and capitals without I, O, S, V, Z."""

    status = 422
    field = "credit_code"


class CreditCodeCheckDigitWrong(Refusal):
    """统一社会信用代码的校验位应为“{expected}”，所给的是“{given}”，请核对。
    The check digit of the credit code should be "{expected}" but is "{given}": please compare it again."""

    status = 422
    field = "credit_code"


def check_digit(first_17: str) -> str:
    """The 18th character that belongs to the first 17 (mod 31, weights 3^(i-1))."""
    total = sum(
        weight * ALPHABET.index(character) for weight, character in zip(_WEIGHTS, first_17, strict=True)
    )
    return ALPHABET[-total % 31]


def check_credit_code(code: str) -> str:
    """``code`` itself, if it is one.

    Every single wrong character is found, and every exchange of two neighbours.
    Raises CreditCodeOfWrongLength, CreditCodeCharacterForbidden and CreditCodeCheckDigitWrong.
    """
    if len(code) != LENGTH:
        raise CreditCodeOfWrongLength(length=len(code))
    for place, character in enumerate(code, start=1):
        if character not in ALPHABET:
            raise CreditCodeCharacterForbidden(place=place, character=character)
    expected = check_digit(code[:-1])
    if code[-1] != expected:
        raise CreditCodeCheckDigitWrong(expected=expected, given=code[-1])
    return code
