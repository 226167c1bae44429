"""What is secret is not there for somebody outside: every command and every read answers as for an id that is none."""

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import fields
from sqlalchemy import Column, MetaData, String, Table, create_engine, select

from services.notify.domain import Matter
from services.suite import SUITE
from shared.application.application import AlreadyExists
from shared.domain.aggregate import stable_id
from shared.domain.hidden import is_hidden_from
from shared.domain.roles import ALL_SEEING, Role
from shared.readmodels.concerned import concerned
from shared.testing import Caller, Opened, StoppedClock, an_act, shanghai
from shared.web.auth import Identity
from shared.web.commands import OPERATIONS, Command
from shared.web.fields import Choice, PostId, Quantity, UnitId
from shared.web.http import Day, Flag, Id, Whole
from shared.web.lists import may_see
from tests.test_order import ENTERPRISES, TARGET, Suite

DOCUMENTS = Path(__file__).resolve().parent.parent / "docs" / "api"
NOBODY = stable_id("nobody", 1)
SECRET = {"secrecy": "secret", "secrecy_ground": "保密规定"}
OUTSIDERS = {
    Role.unit_head: ("czj", "czj/head"),
    Role.officer: ("czj", "czj/officer"),
    Role.government_office: ("other-office", "other-office/head"),
    Role.enterprise: (ENTERPRISES[1], "legal-person"),
    Role.auditor: ("audit", "audit/auditor"),
    Role.overseer: ("congress", "congress/deputy"),
}


class Hidden(Suite):
    """A suite with one secret thing of each kind, all of them in the hands of fgw."""

    ids: dict[str, UUID]

    def run(self) -> None:
        self.people()
        coal, _ = ENTERPRISES
        for code in ENTERPRISES:
            self.do(code, "enterprise:enterprises", credit_code=code, name=f"企业{code[-2:]}")
        self.opened.settle()
        what = {"number": "密〔2021〕1号", "title": "涉密文件", "kind": "banner_document", "units": ["fgw"]}
        directive = self.do("office/head", "assignment:directives", **what, **SECRET)
        of_it = {"title": "涉密清单", "dated": "2021-01-04", **SECRET}
        listed = self.do("office/head", "assignment:task-lists", **of_it)
        task = self.task(listed, "密1", **SECRET)
        blown = {"category": "用地", "title": "不便公开", "text": "等", "confidential": True}
        whistle = self.do(coal, "enterprise:whistles", **blown)
        self.do("office/head", f"enterprise:whistles/{whistle}/route", lead_unit="fgw")
        self.opened.settle()
        case = stable_id("case", "task", task)
        self.do("inspect/head", f"supervision:cases/{case}/issue-round", requirement="请说明进展")
        self.at("2021-01-15 09:00")
        self.at("2021-01-25 09:00")
        (naming,) = (fact.originator_id for fact in self.facts("supervision", "naming_drafted"))
        matter = stable_id("matter", case)
        notice = next(iter(self.opened["notify"].app.load(Matter, matter).notices))  # type: ignore[attr-defined]
        self.ids = {
            "task_id": task,
            "list_id": listed,
            "directive_id": directive,
            "whistle_id": whistle,
            "case_id": case,
            "naming_id": naming,
            "escalation_id": matter,
            "notice_id": notice,
        }

    def facts(self, service: str, topic: str) -> list[Any]:
        return [fact for fact in self.opened.log(service) if f"{service}.{topic}" == fact.TOPIC]

    def outsider(self, service: str, role: Role) -> Caller:
        key = (service, str(role))
        if key not in self._callers:
            self._callers[key] = self.opened.client(service, role, *OUTSIDERS[role])
        return self._callers[key]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hidden]:
    clock = StoppedClock(shanghai("2021-01-04 09:00"))
    with Opened(tmp_path_factory.mktemp("hidden"), clock, *SUITE.values()) as opened:
        suite = Hidden(opened, clock)
        suite.run()
        yield suite


def a_value(made: "fields.Field[Any]") -> Any:
    """Something that the field takes."""
    match made:
        case UnitId():
            return "gxj"
        case PostId():
            return "gxj/head"
        case Choice():
            return made.validate.choices[0]  # type: ignore[union-attr]
        case Quantity() | Whole():
            return 3
        case Flag():
            return True
        case Day():
            return "2021-03-05"
        case Id():
            return str(NOBODY)
        case fields.List():
            return [a_value(made.inner)]
        case fields.Nested():
            return a_body(made.schema)
    return "x"


def a_body(schema: Any) -> dict[str, Any]:
    """The required fields with something that they take."""
    return {
        made.data_key or name: a_value(made)
        for name, made in schema._declared_fields.items()
        if made.required
    }


def service_of(command: Command[Any]) -> str:
    return str(command.of.app.name)


def told(answer: Any, subject: UUID) -> tuple[int, Any]:
    """Status and body, without the id that was asked for."""
    return answer.status_code, json.loads(answer.get_data(as_text=True).replace(str(subject), "ID"))


COMMANDS = sorted(
    (
        (name, role)
        for name, command in OPERATIONS.items()
        for role in command.roles
        if role in OUTSIDERS and re.match(r"/[\w-]+/<uuid:", command.of.prefix)
    ),
)
PUBLIC = {"absence_id", "release_id", "duty_id"}
"""Of these none is ever secret."""


@pytest.mark.parametrize(("name", "role"), COMMANDS)
def test_a_command_on_a_secret_thing_answers_as_if_there_were_none(
    suite: Hidden, name: str, role: Role
) -> None:
    command = OPERATIONS[name]
    subject = command.of.path[0]
    if subject in PUBLIC:
        return
    body = {**a_body(command.body()), **({"target": TARGET} if name == "assign_task" else {})}
    caller = suite.outsider(service_of(command), role)
    answers = []
    for asked in (suite.ids[subject], NOBODY):
        path = command.of.prefix + command.name
        path = re.sub(rf"<uuid:{subject}>", str(asked), path)
        path = path.replace("<string:clock>", "task_due").replace("<int:cycle>", "1")
        before = len(suite.opened.log(service_of(command)))
        answer = caller.post("/api/v1" + path.replace("<int:number>", "1"), body)
        assert len(suite.opened.log(service_of(command))) == before
        answers.append(told(answer, asked))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404, answers[0]


def reads() -> Iterator[tuple[str, str]]:
    """The addresses of single things, with their service."""
    for service in SUITE:
        document = json.loads((DOCUMENTS / f"{service}.openapi.json").read_text("utf-8"))
        for path, methods in document["paths"].items():
            if "get" in methods and "{" in path:
                yield service, path


@pytest.mark.parametrize("role", OUTSIDERS)
def test_a_read_of_a_secret_thing_answers_as_if_there_were_none(suite: Hidden, role: Role) -> None:
    asked = 0
    for service, path in reads():
        subject = re.findall(r"{(\w+)}", path)[0]
        if subject not in suite.ids:
            continue
        caller = suite.outsider(service, role)
        answers = []
        for id_ in (suite.ids[subject], NOBODY):
            found = path.replace(f"{{{subject}}}", str(id_)).replace("{clock}", "task_due")
            found = found.replace("{cycle}", "1").replace("{number}", "1")
            answers.append(told(caller.get(found), id_))
        assert answers[0] == answers[1], path
        assert answers[0][0] in (403, 404), path
        asked += 1
    assert asked > 8


@pytest.mark.parametrize(
    ("actor", "address", "body", "named"),
    [
        (ENTERPRISES[1], "enterprise:whistles", {"category": "用电", "title": "x", "text": "x"}, "repeats"),
        ("other-office/head", "assignment:task-lists", {"title": "x", "dated": "2021-01-25"}, "directive_id"),
    ],
)
def test_a_secret_thing_that_a_command_names_is_unknown(
    suite: Hidden, actor: str, address: str, body: dict[str, Any], named: str
) -> None:
    service, _, path = address.partition(":")
    role = Role.enterprise if actor in ENTERPRISES else Role.government_office
    subject = {"repeats": "whistle_id", "directive_id": "directive_id"}[named]
    answers = []
    for asked in (suite.ids[subject], NOBODY):
        answer = suite.outsider(service, role).post(f"/api/v1/{path}", {**body, named: str(asked)})
        answers.append(told(answer, asked))
    assert answers[0] == answers[1]
    assert answers[0][0] == 422


def test_nothing_is_imported_into_a_secret_list_from_outside(suite: Hidden) -> None:
    """As for a list that is opened twice: no row of it is compared, no number is told."""
    app: Any = suite.opened["assignment"].app
    unit, post = OUTSIDERS[Role.government_office]
    act = an_act(suite.clock(), unit, post, Role.government_office)
    with pytest.raises(AlreadyExists):
        app.plan_import(act, [], title="涉密清单", dated=date(2021, 1, 4))
    own = an_act(suite.clock(), "office", "office/head", Role.government_office)
    assert (
        app.plan_import(own, [], title="涉密清单", dated=date(2021, 1, 4)).task_list.id
        == suite.ids["list_id"]
    )


def test_whom_it_concerns_still_gets_the_rules_own_refusal(suite: Hidden) -> None:
    path = f"/api/v1/whistles/{suite.ids['whistle_id']}"
    assert suite.client("enterprise", "fgw/head").post(f"{path}/resolve", {"result": "x"}).status_code == 409
    answer = suite.client("enterprise", "gov/vice-leader").post(
        f"{path}/rate", a_body(OPERATIONS["rate_whistle"].body())
    )
    assert answer.status_code == 403


units = st.sampled_from(["fgw", "czj", ""])


@given(
    st.sampled_from(Role),
    units,
    st.lists(units, max_size=2),
    st.sampled_from(["public", "internal", "secret"]),
)
def test_a_state_is_hidden_from_whom_its_row_is_not_shown(
    role: Role, unit: str, of: list[str], secrecy: str
) -> None:
    class State:
        concerned = tuple(of)

    State.secrecy = secrecy  # type: ignore[attr-defined]
    table = Table(
        "t", MetaData(), Column("id", String), Column("concerned", String), Column("secrecy", String)
    )
    with create_engine("sqlite://").begin() as connection:
        table.create(connection)
        connection.execute(table.insert().values(id="1", concerned=concerned(*of), secrecy=secrecy))
        identity = Identity("x", "x/head", unit, role)
        shown = connection.execute(select(table).where(may_see(identity, table))).first() is not None
    act = an_act(shanghai("2021-01-04 09:00"), unit, "x/head", role)
    if secrecy == "secret" and unit:
        assert is_hidden_from(act, State()) is not shown
    elif secrecy != "secret":
        assert not is_hidden_from(act, State())
    assert not (role in ALL_SEEING and is_hidden_from(act, State()))
