"""A token acts, and reads, while its post is registered and held; a suite's first steps are possible."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from services.audit.web import web as audit_web
from services.suite import SUITE
from shared.process.config import Config, Misconfigured
from shared.testing import Caller, Opened, StoppedClock, shanghai

READS = {"assignment": "tasks", "supervision": "cases", "notify": "notices"}


class Town:
    def __init__(self, opened: Opened, clock: StoppedClock) -> None:
        self.opened, self.clock = opened, clock
        self._callers: dict[tuple[str, str, str], Caller] = {}

    def who(self, post: str, role: str, unit: str | None = None, service: str = "assignment") -> Caller:
        """Whose token was made when it was first asked for."""
        at = (service, post, role)
        if at not in self._callers:
            self._callers[at] = self.opened.client(service, role, unit or post.partition("/")[0], post)
        return self._callers[at]

    def says(self, caller: Caller, path: str, **body: Any) -> int:
        return int(caller.post(f"/api/v1/{path}", body).status_code)

    def reads(self, post: str, role: str, unit: str | None = None) -> set[tuple[int, str]]:
        answers = [
            self.who(post, role, unit, service).get(f"/api/v1/{path}") for service, path in READS.items()
        ]
        return {(answer.status_code, (answer.json or {}).get("rule", "")) for answer in answers}

    def director(self) -> Caller:
        return self.who("office/director", "government_office")

    def register(self, *units: tuple[str, str]) -> None:
        for unit, kind in units:
            body = {"id": unit, "name": f"单位{unit}", "kind": kind}
            assert self.says(self.director(), "units", **body) == 201

    def appoint(self, post: str, role: str, *, new: bool = True) -> None:
        if new:
            assert self.says(self.director(), "posts", id=post, title="岗位", role=role) == 201
        body = {"holder": "某人", "since": "2021-01-04"}
        assert self.says(self.director(), f"posts/{post}/appoint-holder", **body) == 200


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Nothing is registered; whoever has a token has it for ten years."""
    clock = StoppedClock(shanghai("2021-01-04 09:00"))
    with Opened(
        tmp_path, clock, *SUITE.values(), without_post="auditor,zhang.san", read_wait_seconds=0.0
    ) as opened:
        yield Town(opened, clock)


@pytest.fixture
def staffed(town: Town) -> Town:
    town.register(("office", "office"), ("inspect", "supervision"), ("fgw", "department"))
    town.appoint("office/director", "unit_head")
    town.appoint("inspect/chief", "unit_head")
    town.appoint("fgw/head", "unit_head")
    return town


REFUSED = {(403, "token-of-unknown-post")}
VACANT = {(403, "token-of-vacant-post")}
ADMITTED = {(200, "")}


def test_a_post_that_was_vacated_neither_acts_nor_reads_and_its_next_holder_does(staffed: Town) -> None:
    assert staffed.reads("fgw/head", "unit_head") == ADMITTED
    assert staffed.says(staffed.director(), "posts/fgw/head/vacate", on="2021-01-04") == 200
    assert staffed.reads("fgw/head", "unit_head") == VACANT  # in every service, at once
    refused = staffed.who("fgw/head", "unit_head").post("/api/v1/tasks/no-such/accept")
    assert refused.status_code in (403, 404)
    staffed.appoint("fgw/head", "unit_head", new=False)
    assert staffed.reads("fgw/head", "unit_head") == ADMITTED


@pytest.mark.parametrize(
    ("post", "role", "unit"),
    [
        ("fgw/nobody", "officer", "fgw"),
        ("fgw/nobody", "unit_head", "fgw"),
        ("slj/head", "unit_head", "slj"),
        ("gov/main-leader", "main_leader", "gov"),
        ("inspect/other", "supervision_office", "inspect"),
        ("office/other", "government_office", "office"),
        ("office/other", "government_office", "second-office"),
        ("fgw/head", "unit_head", "czj"),
        ("ops/one", "operator", "ops"),
    ],
)
def test_a_post_that_was_never_registered_in_its_unit_does_not_act(
    staffed: Town, post: str, role: str, unit: str
) -> None:
    caller = staffed.who(post, role, unit)
    answer = caller.get("/api/v1/units")
    assert (answer.status_code, answer.json["rule"]) == (403, "token-of-unknown-post")
    assert post in answer.json["detail"]
    assert unit in answer.json["detail"]
    assert staffed.says(caller, "units", id="new", name="新单位", kind="department") == 403


def test_a_post_without_a_holder_does_not_act(staffed: Town) -> None:
    assert staffed.says(staffed.director(), "posts", id="fgw/section", title="科长", role="officer") == 201
    assert staffed.reads("fgw/section", "officer") == VACANT


def test_who_acts_without_a_post_is_configured_by_role_post_or_subject(staffed: Town) -> None:
    assert staffed.reads("audit/one", "auditor") == ADMITTED
    assert staffed.who("zhang.san", "operator", "ops").get("/api/v1/units").status_code == 200


def test_an_enterprise_has_no_post(staffed: Town) -> None:
    enterprise = staffed.who("enterprise", "enterprise", "91150623MA0N000011", "enterprise")
    assert enterprise.get("/api/v1/whistles").status_code == 200


def test_an_empty_suite_is_set_up_by_its_offices_and_by_nobody_else(town: Town) -> None:
    assert town.reads("fgw/head", "unit_head") == REFUSED
    assert town.reads("gov/vice-leader", "vice_leader") == REFUSED
    town.register(("gov", "government"), ("office", "office"))
    town.appoint("gov/vice-leader", "vice_leader")
    assert town.reads("gov/vice-leader", "vice_leader") == ADMITTED
    assert town.says(town.director(), "posts", id="office/director", title="主任", role="unit_head") == 201
    assert town.who("office/other", "government_office").get("/api/v1/units").status_code == 200
    town.appoint("office/director", "unit_head", new=False)
    answer = town.who("office/other", "government_office").get("/api/v1/units")
    assert (answer.status_code, answer.json["rule"]) == (403, "token-of-unknown-post")
    assert town.says(town.director(), "posts/office/director/vacate", on="2021-01-04") == 200
    answer = town.director().get("/api/v1/units")  # nor do its first steps come back
    assert (answer.status_code, answer.json["rule"]) == (403, "token-of-vacant-post")


def test_heads_that_an_import_has_put_in_place_act_and_leave_the_offices_their_first_steps(
    town: Town,
) -> None:
    from services.assignment.spreadsheets import UnitName
    from services.cli.lists import by_command_line

    rows = [
        UnitName("office", "政府办", (), "office"),
        UnitName("inspect", "督查室", (), "supervision"),
        UnitName("fgw", "发改委", (), "department"),
    ]
    act = by_command_line(Config(data=town.opened.config.data), None)
    town.opened["assignment"].app.register_units(act, rows, heads_since=date(2021, 1, 1))  # type: ignore[attr-defined]
    assert town.reads("fgw/head", "unit_head") == ADMITTED
    assert town.reads("fgw/deputy", "officer") == REFUSED
    assert town.reads("inspect/chief", "supervision_office") == ADMITTED
    town.appoint("office/director", "unit_head")
    assert town.who("office/other", "government_office").get("/api/v1/units").status_code == 403
    assert town.reads("inspect/chief", "supervision_office") == ADMITTED  # its own office has nobody yet


def test_the_auditors_questions_ask_the_same(staffed: Town) -> None:
    app = audit_web(replace(staffed.opened.config, without_post=""), staffed.clock)

    def asked_by(post: str) -> tuple[int, str]:
        token = staffed.who(post, "auditor")._token
        answer = Caller(app.test_client(), token).get("/api/v1/audit/why?subject=task:1")
        return answer.status_code, answer.json["rule"]

    assert asked_by("inspect/chief")[0] == 404  # there is no such task
    assert asked_by("fgw/nobody") == (403, "token-of-unknown-post")
    assert staffed.says(staffed.director(), "posts/inspect/chief/vacate", on="2021-01-04") == 200
    assert asked_by("inspect/chief") == (403, "token-of-vacant-post")
    app.extensions["questions"].close()


def test_the_setting_names_roles_posts_and_subjects() -> None:
    read = Config.from_environment({"DUBAN_WITHOUT_POST": "auditor,ops/one"})
    assert read.without_post == "auditor,ops/one"
    assert Config().without_post == ""
    with pytest.raises(Misconfigured, match="DUBAN_WITHOUT_POST"):
        Config.from_environment({"DUBAN_WITHOUT_POST": "auditor, operator"})
