"""Directives: registered once, arranged, decomposed, fed back (measure 8)."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.assignment.domain.directives import (
    ArrangedAlready,
    BeforeItWasReceived,
    DecomposedAlready,
    NothingWasDispatched,
    NotToBeDecomposed,
    NoUnitReceivedIt,
    OnlyItsOfficeDecomposes,
    SecrecyNeedsGround,
    UnitDidNotReceiveIt,
    UnitsComeWithDecomposition,
    UnitStandsTwice,
)
from services.assignment.domain.units import NoLeadersPost
from shared.application.application import AlreadyExists
from shared.events import assignment
from shared.readmodels.reference import UnknownPost, UnknownUnit
from shared.testing import shanghai
from tests.assignment.conftest import Banner

NOTICE: dict[str, Any] = {
    "number": "鄂前政发〔2021〕1号",
    "title": "十五条措施",
    "kind": "banner_document",
    "units": ["fgw", "czj"],
}
VISIT: dict[str, Any] = {"number": "调研〔2021〕1号", "title": "现场问题", "kind": "field_visit_issue"}
HOLIDAY = shanghai("2021-01-01 10:00")


def register(banner: Banner, what: dict[str, Any], **changed: Any) -> UUID:
    act = banner.act("office").at(HOLIDAY)
    return UUID(banner.app.register_directive(act, **{**what, **changed}).id)


def test_what_came_in_on_a_holiday_keeps_both_times(banner: Banner) -> None:
    register(banner, NOTICE)
    (fact,) = banner.opened.of_kind("assignment", assignment.DirectiveRegistered)
    assert (fact.happened_at, fact.timestamp) == (HOLIDAY, banner.clock())
    assert (fact.origin_level, fact.leader_post, fact.office_unit) == ("banner", "gov/main-leader", "office")


def test_a_number_is_registered_once(banner: Banner) -> None:
    register(banner, NOTICE)
    refusal = banner.refuses(AlreadyExists, lambda: register(banner, NOTICE, title="另一件"))
    assert refusal.at_field == "number"


@pytest.mark.parametrize(
    ("refusal", "changed"),
    [
        (UnknownUnit, {"units": ["fgw", "nobody"]}),
        (UnknownUnit, {"office_unit": "nobody"}),
        (UnknownPost, {"leader_post": "gov/nobody"}),
        (NoLeadersPost, {"leader_post": "fgw/head"}),
        (NoUnitReceivedIt, {"units": []}),
        (UnitStandsTwice, {"units": ["fgw", "fgw"]}),
        (UnitsComeWithDecomposition, {"kind": "onsite_meeting_decision"}),
        (SecrecyNeedsGround, {"secrecy": "secret"}),
    ],
)
def test_a_faulty_directive_is_refused(banner: Banner, refusal: Any, changed: dict[str, Any]) -> None:
    banner.refuses(refusal, lambda: register(banner, NOTICE, **changed))


def test_each_unit_that_received_it_arranges_it_once_for_itself(banner: Banner) -> None:
    directive = register(banner, NOTICE)
    assert banner.do("fgw", "report_arrangement", directive, text="已布置").state == "registered"
    banner.refuses(ArrangedAlready, lambda: banner.do("fgw", "report_arrangement", directive, text="再布置"))
    banner.refuses(
        UnitDidNotReceiveIt, lambda: banner.do("zrj", "report_arrangement", directive, text="代报")
    )
    early = banner.act("czj").at(HOLIDAY - timedelta(hours=1))
    banner.refuses(
        BeforeItWasReceived, lambda: banner.carry_out("report_arrangement", early, directive, text="太早")
    )
    banner.refuses(
        NotToBeDecomposed, lambda: banner.do("office", "decompose_directive", directive, dispatches=[])
    )
    assert banner.do("czj", "report_arrangement", directive, text="已布置").state == "arranged"


def test_what_was_put_on_a_visit_is_decomposed_by_the_office_and_fed_back_by_the_units(
    banner: Banner,
) -> None:
    directive = register(banner, VISIT)
    pieces = [assignment.Dispatch(unit="fgw", what="查清"), assignment.Dispatch(unit="zrj", what="整改")]
    banner.refuses(
        OnlyItsOfficeDecomposes,
        lambda: banner.do("inspect", "decompose_directive", directive, dispatches=pieces),
    )
    banner.refuses(
        UnknownUnit,
        lambda: banner.do(
            "office",
            "decompose_directive",
            directive,
            dispatches=[assignment.Dispatch(unit="nobody", what="x")],
        ),
    )
    banner.refuses(
        UnitStandsTwice,
        lambda: banner.do("office", "decompose_directive", directive, dispatches=[pieces[0], pieces[0]]),
    )
    banner.refuses(NothingWasDispatched, lambda: banner.do("fgw", "give_feedback", directive, text="早了"))
    assert banner.do("office", "decompose_directive", directive, dispatches=pieces).state == "dispatched"
    banner.refuses(
        DecomposedAlready,
        lambda: banner.do("office", "decompose_directive", directive, dispatches=pieces),
    )
    banner.do("fgw", "give_feedback", directive, text="已查清")
    banner.do("fgw", "give_feedback", directive, text="补充")
    assert banner.do("zrj", "give_feedback", directive, text="已整改").state == "fed_back"
    banner.opened.settle()
    row = banner.opened.rows("assignment", "directives")[str(directive)]
    assert row["state"] == "fed_back"
    assert row["duties"]["fgw"]["text"] == "补充"
    assert banner.opened.rebuild_and_compare("assignment") == []


def test_over_http_a_duplicate_number_is_409_and_units_see_what_concerns_them(banner: Banner) -> None:
    office = banner.client("office")
    body = {**NOTICE, "happened_at": "2021-01-01T10:00:00+08:00"}
    first = office.post("/api/v1/directives", body)
    assert (first.status_code, first.json["number"]) == (201, NOTICE["number"])
    before = len(banner.log())
    again = office.post("/api/v1/directives", body)
    assert (again.status_code, again.json["rule"]) == (409, "already-exists")
    assert again.json["errors"][0]["field"] == "number"
    unknown = office.post("/api/v1/directives", {**body, "number": "x", "colour": "red"})
    assert (unknown.status_code, unknown.json["errors"][0]["field"]) == (422, "colour")
    assert len(banner.log()) == before
    banner.opened.settle()
    path = first.headers["Location"]
    assert banner.client("fgw").get(path).json["duties"][1]["unit"] == "fgw"
    assert banner.client("zrj").get(path).status_code == 404
    assert banner.client("zrj").get("/api/v1/directives").json["items"] == []
