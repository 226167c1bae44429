"""The unified social credit code: what is one, and which digit was expected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.enterprise.domain.credit_code import (
    ALPHABET,
    CreditCodeCharacterForbidden,
    CreditCodeCheckDigitWrong,
    CreditCodeOfWrongLength,
    check_credit_code,
    check_digit,
)

codes = st.text(ALPHABET, min_size=17, max_size=17).map(lambda first: first + check_digit(first))


@pytest.mark.parametrize("code", ["91350100M000100Y43", "91110000802100433B", "91440300708461136T"])
def test_codes_published_in_the_standard_and_in_company_registers_are_accepted(code: str) -> None:
    assert check_credit_code(code) == code


@given(codes)
def test_a_code_with_its_check_digit_is_accepted(code: str) -> None:
    assert check_credit_code(code) == code


@given(codes, st.integers(0, 17), st.sampled_from(ALPHABET))
def test_every_single_wrong_character_is_found(code: str, place: int, character: str) -> None:
    wrong = code[:place] + character + code[place + 1 :]
    if wrong == code:
        return
    with pytest.raises(CreditCodeCheckDigitWrong) as refused:
        check_credit_code(wrong)
    assert refused.value.facts["given"] == wrong[-1]
    assert check_credit_code(wrong[:-1] + refused.value.facts["expected"])


@given(codes, st.integers(0, 16))
def test_every_exchange_of_two_neighbours_is_found(code: str, place: int) -> None:
    wrong = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
    if wrong != code:
        with pytest.raises(CreditCodeCheckDigitWrong):
            check_credit_code(wrong)


@given(codes, st.integers(0, 17), st.sampled_from("IOSVZa１ -é"))
def test_a_forbidden_character_is_named_with_its_place(code: str, place: int, character: str) -> None:
    with pytest.raises(CreditCodeCharacterForbidden) as refused:
        check_credit_code(code[:place] + character + code[place + 1 :])
    assert refused.value.facts == {"place": place + 1, "character": character}


@given(st.text(ALPHABET, max_size=40).filter(lambda text: len(text) != 18))
def test_another_length_is_refused_and_told(text: str) -> None:
    with pytest.raises(CreditCodeOfWrongLength) as refused:
        check_credit_code(text)
    assert str(len(text)) in refused.value.text("zh")
