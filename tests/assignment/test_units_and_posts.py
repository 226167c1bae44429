"""Units and posts: registered once, renamed, dissolved; held since a day, vacated (measure 6)."""

from datetime import date

import pytest

from services.assignment.application.units import NoUnitsGiven
from services.assignment.domain.units import (
    AppointedBeforePredecessor,
    DayIsInTheFuture,
    NameStandsTwice,
    NoLeadersPost,
    PostIdMalformed,
    PostIsVacantAlready,
    SuccessorIsTheUnitItself,
    UnitIdMalformed,
    UnitIsDissolved,
    UnitIsNamedSo,
    UnitKindIsFixed,
    VacatedBeforeAppointed,
)
from services.assignment.spreadsheets import UnitName
from shared.application.application import AlreadyExists, NoSuchThing
from shared.readmodels.reference import UnknownUnit
from tests.assignment.conftest import UNITS, Banner

LIST = [UnitName(unit, name, (), kind) for unit, (name, kind) in UNITS.items()]


def test_a_list_of_units_imported_again_changes_nothing_and_a_changed_name_renames(banner: Banner) -> None:
    before = len(banner.log())
    banner.app.register_units(banner.act("office"), LIST)
    assert banner.since(before) == []
    changed = [UnitName(u.id, u.name, ("发改委",), u.kind) if u.id == "fgw" else u for u in LIST]
    banner.app.register_units(banner.act("office"), [*changed, UnitName("slj", "旗水利局", (), "department")])
    assert banner.since(before) == ["UnitRenamed", "UnitRegistered"]
    banner.opened.settle()
    assert banner.opened.rows("assignment", "units")["fgw"]["short_names"] == ["发改委"]


def test_a_list_of_units_is_taken_whole_or_not_at_all(banner: Banner) -> None:
    new = UnitName("slj", "旗水利局", (), "department")
    for refusal, row in (
        (UnitIdMalformed, UnitName("Slj", "旗水利局", (), "department")),
        (UnitKindIsFixed, UnitName("fgw", "旗发展和改革委员会", (), "town")),
    ):
        banner.refuses(refusal, lambda row=row: banner.app.register_units(banner.act("office"), [new, row]))
    banner.refuses(NoUnitsGiven, lambda: banner.app.register_units(banner.act("office"), []))


def test_a_unit_is_registered_once_and_renamed_to_something_else(banner: Banner) -> None:
    app, act = banner.app, lambda: banner.act("office")
    banner.refuses(
        AlreadyExists, lambda: app.register_unit(act(), unit="fgw", name="又一个", kind="department")
    )
    banner.refuses(
        NameStandsTwice,
        lambda: app.register_unit(
            act(), unit="slj", name="水利局", short_names=["水利局"], kind="department"
        ),
    )
    banner.refuses(UnitIsNamedSo, lambda: banner.do("office", "rename_unit", "fgw", name=UNITS["fgw"][0]))
    banner.refuses(NoSuchThing, lambda: banner.do("office", "rename_unit", "nobody", name="谁"))


def test_a_dissolved_unit_is_unknown_to_every_later_command(banner: Banner) -> None:
    banner.refuses(
        SuccessorIsTheUnitItself, lambda: banner.do("office", "dissolve_unit", "zrj", successor="zrj")
    )
    banner.refuses(UnknownUnit, lambda: banner.do("office", "dissolve_unit", "zrj", successor="nobody"))
    banner.do("office", "dissolve_unit", "zrj", successor="czj")
    banner.refuses(UnitIsDissolved, lambda: banner.do("office", "dissolve_unit", "zrj"))
    banner.refuses(UnitIsDissolved, lambda: banner.do("office", "rename_unit", "zrj", name="新名"))
    tasks = banner.new_list()
    banner.refuses(UnknownUnit, lambda: banner.new_task(tasks, lead_unit="zrj", supporters=[]))


def test_a_post_is_held_since_a_day_until_it_is_vacated(banner: Banner) -> None:
    post = ("fgw", "project-section")
    banner.refuses(
        PostIsVacantAlready, lambda: banner.do("office", "vacate_post", *post, on=date(2021, 1, 4))
    )
    banner.refuses(
        DayIsInTheFuture,
        lambda: banner.do("office", "appoint_holder", *post, holder="某", since=date(2021, 1, 5)),
    )
    banner.do("office", "appoint_holder", *post, holder="某", since=date(2021, 1, 2))
    banner.refuses(
        AppointedBeforePredecessor,
        lambda: banner.do("office", "appoint_holder", *post, holder="另", since=date(2021, 1, 1)),
    )
    banner.refuses(
        VacatedBeforeAppointed, lambda: banner.do("office", "vacate_post", *post, on=date(2021, 1, 1))
    )
    refusal = banner.refuses(
        DayIsInTheFuture, lambda: banner.do("office", "vacate_post", *post, on=date(2021, 1, 5))
    )
    assert refusal.at_field == "on"
    before = len(banner.log())
    banner.do("office", "vacate_post", *post, on=date(2021, 1, 4))
    assert banner.since(before) == ["PostVacated"]


@pytest.mark.parametrize("post", ["fgw", "fgw/", "/head", "fgw/Head", "fgw/a/b", "a/head"])
def test_a_post_is_named_by_its_unit_and_a_short_name(banner: Banner, post: str) -> None:
    banner.refuses(
        PostIdMalformed,
        lambda: banner.app.create_post(banner.act("office"), post=post, title="某岗", role="officer"),
    )


def test_a_post_needs_a_known_unit_and_a_portfolio_a_leader(banner: Banner) -> None:
    app, act = banner.app, lambda: banner.act("office")
    banner.refuses(
        UnknownUnit, lambda: app.create_post(act(), post="nobody/head", title="主任", role="unit_head")
    )
    banner.refuses(
        AlreadyExists, lambda: app.create_post(act(), post="fgw/head", title="主任", role="unit_head")
    )
    banner.refuses(
        NoLeadersPost, lambda: banner.do("office", "assign_portfolio", "fgw", "head", units=["czj"])
    )
    banner.refuses(
        UnknownUnit, lambda: banner.do("office", "assign_portfolio", "gov", "vice-leader", units=["nobody"])
    )
    banner.do(
        "office", "assign_portfolio", "gov", "vice-leader", units=["fgw", "fgw", "czj"], fields=["经济"]
    )
    banner.opened.settle()
    assert banner.opened.rows("assignment", "posts")["gov/vice-leader"]["portfolio"] == ["fgw", "czj"]


def test_names_are_shown_to_leaders_and_offices_only(banner: Banner) -> None:
    path = "/api/v1/posts/gov/vice-leader"
    assert banner.client("inspect").get(path).json["holder"] == "某人"
    seen = banner.client("fgw").get(path).json
    assert (seen["holder"], seen["vacant"]) == (None, False)
    assert banner.client("fgw").get("/api/v1/posts?unit=gov").get_data(as_text=True).count("某人") == 0
    assert banner.client("fgw").get("/api/v1/posts/gov/nobody").status_code == 404
    assert banner.client("fgw").post("/api/v1/posts", {}).status_code == 403
