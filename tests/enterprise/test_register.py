"""Many enterprises blow at once, and at the end of a long year: each gets the next number, none is turned away."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services.enterprise.domain import Concern, Register, matter_of
from shared.domain.aggregate import CommandContext, stable_id
from shared.domain.clock import local_day
from shared.events import enterprise
from shared.testing import an_act
from tests.enterprise.conftest import COAL, NOW

BLOWERS = 8


def act(role: str = "government_office") -> CommandContext:
    return an_act(NOW, unit="office", post="office/head", role=role)


def blow(app: Any, title: str) -> Any:
    what = {
        "credit_code": COAL,
        "category": "用地",
        "title": title,
        "text": "已等三个月。",
        "channel": "phone",
    }
    return app.perform(act(), lambda one: app.blow_whistle(one, **what))


def test_eight_who_blow_at_once_get_eight_numbers_in_a_row_and_each_decides_once(
    town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = town.opened["enterprise"].app
    decided: list[str] = []
    issue = Register.issue

    def issue_slowly(register: Register, one: CommandContext, *what: Any) -> str:
        decided.append(one.because)
        time.sleep(0.01)  # long enough for the others to come
        return issue(register, one, *what)

    monkeypatch.setattr(Register, "issue", issue_slowly)
    monkeypatch.setattr("shared.application.application.LONGEST_WAIT", 60.0)  # however slow the machine is
    with ThreadPoolExecutor(BLOWERS) as pool:
        written = list(pool.map(lambda n: blow(app, f"事项{n}"), range(BLOWERS * 5)))
    assert len(decided) == BLOWERS * 5, "somebody was overtaken"
    assert sorted(one.number for one in written) == [f"W-2021-{n:04d}" for n in range(1, BLOWERS * 5 + 1)]


def test_of_the_register_and_of_what_was_raised_before_only_the_last_event_is_read(town: Any) -> None:
    app = town.opened["enterprise"].app
    first, again = blow(app, "路灯"), blow(app, "路 灯！")
    register = app.find(Register, stable_id("whistle_register", local_day(NOW).year))
    assert (*register.state, register.version) == (2021, 2, 3)
    concern = app.find(Concern, matter_of(COAL, "用地", "路灯"))
    assert (str(concern.state.last_whistle), concern.version) == (again.id, 2)
    assert concern.repeated_in(2022) is not None
    assert concern.repeated_in(2023) is None
    linked = town.opened.of_kind("enterprise", enterprise.RepeatLinked)
    assert [str(fact.earlier) for fact in linked] == [first.id]
    whole = app.repository.get(register.id)
    assert (*whole.state, whole.version) == (2021, 2, 3)
    assert app.find(Concern, register.id) is None, "it is of another kind"
