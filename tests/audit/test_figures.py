"""What a question about a figure names."""

import pytest

from services.audit.figures import Asked
from services.audit.why import SubjectMalformed
from shared.calendar.periods import NoSuchDay


@pytest.mark.parametrize("day", ["2021-02-30", "2021-13-01"])
@pytest.mark.parametrize("form", ["{day}..2021-03-01", "2021-01-01..{day}", "2021-01-01..2021-03-01@{day}"])
def test_a_day_that_does_not_exist_says_so(form: str, day: str) -> None:
    with pytest.raises(NoSuchDay) as refused:
        Asked.read(f"rate:contacted@{form.format(day=day)}")
    assert refused.value.text("zh") == f"没有“{day}”这一天"


def test_what_is_no_figure_is_refused_as_such() -> None:
    for subject in ("rate:nix@2021-02-01..2021-02-28", "rate:contacted@1..2"):
        with pytest.raises(SubjectMalformed):
            Asked.read(subject)
