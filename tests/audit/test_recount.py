"""Recount: from the events, byte for byte; and no table whose parts do not make its total."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest

from services.audit.past import MomentHasNotCome
from services.audit.recount import NothingToRecount, PublishedAddressRefuses
from services.enterprise.domain.rates import Rates
from shared.events import supervision
from shared.figures.figure import Figure, PartsDoNotAddUp, must_add_up
from shared.testing import shanghai
from tests.audit.story import AUDITOR, Told, told


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    with told(tmp_path_factory.mktemp("told")) as suite:
        yield suite


def recount(suite: Told, subject: str, as_of: datetime | None = None) -> Any:
    return suite.questions.recount(AUDITOR, subject, as_of)


@pytest.mark.parametrize(
    "subject",
    [
        "rate:2021-01-01..2021-01-31",
        "on-time:2021-01-01..2021-12-31",
        "board:tasks?limit=200",
        "board:/api/v1/namings",
        "board:clocks?missed=true",
    ],
)
def test_the_events_give_what_is_published_byte_for_byte(suite: Told, subject: str) -> None:
    found = recount(suite, subject)
    assert found.equal is True
    assert found.recounted == found.published
    assert len(found.recounted) > 200


def test_a_rate_of_a_past_moment_is_the_same_today(suite: Told) -> None:
    found = recount(suite, "rate:2021-01-01..2021-01-31", shanghai("2021-01-18 12:00"))
    assert found.equal is True
    assert json.loads(found.recounted)["as_of"].startswith("2021-01-18T04:00")


def test_what_the_live_suite_cannot_answer_for_a_past_moment_is_not_called_equal(suite: Told) -> None:
    found = recount(suite, "board:tasks", shanghai("2021-01-18 12:00"))
    assert found.equal is None
    assert json.loads(found.recounted)["items"]


def test_a_naming_is_made_anew_from_its_rounds(suite: Told) -> None:
    for fact in suite.facts_of("supervision", supervision.NamingPublished):
        found = recount(suite, f"naming:{fact.number}/{fact.year}")
        assert found.equal is True
        assert found.recounted.decode() == fact.text


@pytest.mark.parametrize("subject", ["", "rate:2021", "table:1", "board:", "on-time:2021-01-01.."])
def test_what_cannot_be_recounted_is_refused(suite: Told, subject: str) -> None:
    with pytest.raises(NothingToRecount):
        recount(suite, subject)


def test_the_future_and_what_the_address_refuses(suite: Told) -> None:
    with pytest.raises(MomentHasNotCome):
        recount(suite, "rate:2021-01-01..2021-01-31", shanghai("2031-01-01 00:00"))
    with pytest.raises(PublishedAddressRefuses):
        recount(suite, "rate:2021-02-01..2021-01-31")


def test_a_manipulated_read_model_is_found_with_its_path(suite: Told) -> None:
    """Last of this module: it spoils the live read model."""
    path = suite.opened.config.data / "assignment" / "views.sqlite"
    with sqlite3.connect(path) as connection:
        (table,) = connection.execute(
            "SELECT name FROM sqlite_master WHERE type='table' AND name LIKE 'tasks\\_\\_v%' ESCAPE '\\'"
        ).fetchone()
        connection.execute(f"UPDATE {table} SET title='改过的标题' WHERE number='5'")
    connection.close()
    found = recount(suite, "board:tasks?limit=200")
    assert found.equal is False
    ((at, published, recounted),) = found.differences
    assert at.endswith("/title")
    assert (published, recounted) == ("改过的标题", "任务5")


# -- parts and totals ------------------------------------------------------------------------------------------


def rates(numerator: int = 2) -> Rates:
    rate = Figure("contacted", numerator, 3, (("not_due", 1),))
    parts = (
        ("fgw", (Figure("contacted", 1, 2, (("not_due", 1),)),)),
        ("czj", (Figure("contacted", 1, 1, ()),)),
    )
    moment = shanghai("2021-02-01 00:00")
    return Rates(date(2021, 1, 1), date(2021, 1, 31), moment, (rate,), parts)


def test_a_table_whose_parts_make_its_total_is_published() -> None:
    assert rates().plain()["rates"][0]["total"] == 4


def test_a_table_whose_parts_do_not_make_its_total_is_refused() -> None:
    with pytest.raises(PartsDoNotAddUp) as refused:
        rates(numerator=3).plain()
    assert refused.value.facts["figure"] == "numerator"
    assert (refused.value.facts["parts"], refused.value.facts["total"]) == (2, 3)
    short = replace(rates(), units=rates().units[:1])
    with pytest.raises(PartsDoNotAddUp):
        short.plain()


def test_a_part_that_no_total_names_counts_for_nothing_and_one_missing_counts_as_none() -> None:
    must_add_up("表", {"a": 1}, [{"a": 1, "b": 7}, {}])
    with pytest.raises(PartsDoNotAddUp):
        must_add_up("表", {"a": 1, "b": 1}, [{"a": 1}])
