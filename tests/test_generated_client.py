"""The closed loop by a client that openapi-python-client makes of the documents: no request is written by hand."""

import importlib
import inspect
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import httpx
import pytest
from openapi_python_client import Config as GeneratorConfig
from openapi_python_client import generate
from openapi_python_client.config import ConfigFile, MetaType

from deploy.stack import free_port
from services.processes import Process, environment
from shared.domain.clock import SteppedClock
from shared.domain.roles import Role
from shared.process.config import Config
from shared.testing import WITHOUT_POST, shanghai
from shared.web.auth import issue_token, load_key
from tests.faults.cluster import until

API = Path(__file__).resolve().parents[1] / "docs" / "api"
CODE = "91150623MA0N4D2C2Y"


@dataclass(frozen=True)
class Generated:
    """The package that the generator made of a service's document, by its own defaults."""

    package: ModuleType
    functions: dict[str, Callable[..., Any]]
    """By operation; each answers with the generated ``Response``."""


class Suite:
    """The suite as one process on one port, its clock moved by hand."""

    def __init__(self, folder: Path) -> None:
        self.clock = SteppedClock(folder / "clock")
        self.clock.set(shanghai("2021-01-06 10:00"))
        self.config = Config(
            data=folder,
            clock=f"file:{self.clock.path}",
            port=free_port(),
            poll_seconds=0.03,
            without_post=WITHOUT_POST,
        )
        self.log = folder / "suite.log"
        self.process = Process("suite", ["services", "serve"], environment(self.config), self.log)

    def at(self, moment: str) -> None:
        """Move the clock."""
        self.clock.set(shanghai(moment))

    def token(self, unit: str, post: str, role: Role) -> str:
        """A token for somebody."""
        return issue_token(
            load_key(self.config.data),
            post=post,
            unit=unit,
            role=role,
            now=self.clock(),
            lifetime=timedelta(days=365),
            issuer=self.config.token_issuer,
            audience=self.config.token_audience,
        )


class Person:
    """What somebody does and sees through the generated functions, each named ``service.operation``."""

    keys = count(1)

    def __init__(self, made: dict[str, Generated], url: str, token: str) -> None:
        self.made = made
        self.clients = {
            name: one.package.AuthenticatedClient(url, token, timeout=30) for name, one in made.items()
        }

    def close(self) -> None:
        """Close the connections."""
        for client in self.clients.values():
            client.get_httpx_client().close()

    def call(self, operation: str, *where: object, **options: Any) -> Any:
        """The generated ``Response``, whatever comes of it."""
        service, _, name = operation.partition(".")
        return self.made[service].functions[name](*where, client=self.clients[service], **options)

    def tries(self, operation: str, *where: object, if_match: str | None = None, **body: Any) -> Any:
        """A command; the generated ``Response``, whatever comes of it."""
        service, _, name = operation.partition(".")
        options: dict[str, Any] = {"idempotency_key": f"generated-{next(self.keys)}"}
        if if_match:
            options["if_match"] = if_match
        taken = inspect.signature(self.made[service].functions[name]).parameters
        if "body" in taken:
            options["body"] = taken["body"].annotation.from_dict(body)
            assert options["body"].to_dict() == body, f"{operation} takes no such body"
        return self.call(operation, *where, **options)

    def does(self, operation: str, *where: object, **body: Any) -> Any:
        """A command that is accepted; the generated result."""
        answer = self.tries(operation, *where, **body)
        assert answer.status_code < 400, f"{operation}: {answer.content.decode()}"
        return answer.parsed

    def refused(self, operation: str, *where: object, **body: Any) -> str:
        """A command that is refused; the rule that the generated ``Problem`` names."""
        answer = self.tries(operation, *where, **body)
        assert answer.status_code >= 400, operation
        return str(answer.parsed.rule)

    def sees(self, operation: str, *where: object, **query: Any) -> Any:
        """What a read shows."""
        answer = self.call(operation, *where, **query)
        assert answer.status_code == 200, f"{operation}: {answer.content.decode()}"
        return answer.parsed

    def waits_for(self, wanted: Callable[[Any], Any], operation: str, *where: object, **query: Any) -> Any:
        """What ``wanted`` finds in a read, as soon as the suite has done it by itself."""
        return until(lambda: wanted(self.sees(operation, *where, **query)), lambda: operation, 60)

    def case(self, subject: object) -> Any:
        """The case about something."""
        found = self.waits_for(lambda page: page.items, "supervision.list_cases", subject_id=subject)
        return found[0].id

    def clock_with(self, verdict: str, case: object, name: str) -> Any:
        """A clock of a case, when it stopped with that verdict."""
        return self.waits_for(
            lambda shown: [one for one in shown.clocks if (one.clock, one.verdict) == (name, verdict)],
            "supervision.show_case",
            case,
        )

    def round(self, case: object, number: int) -> Any:
        """A round of a case, when it was issued."""
        return self.waits_for(
            lambda shown: [one for one in shown.round_list if one.round_ == number],
            "supervision.show_case",
            case,
        )


class People(NamedTuple):
    """Who takes part."""

    office: Person
    chief: Person
    deputy: Person
    leader: Person
    head: Person
    enterprise: Person


def generated(document: Path, folder: Path) -> Generated:
    """Make the package and import all of it."""
    name = document.name.partition(".")[0]
    project = folder / f"duban-{name}-client"
    config = GeneratorConfig.from_sources(
        ConfigFile(post_hooks=[]), MetaType.SETUP, document, "utf-8", overwrite=False, output_path=project
    )
    found = generate(config=config)
    assert not found, [f"{one.header}: {one.detail}" for one in found]
    sys.path.insert(0, str(project))
    try:
        package = importlib.import_module(f"duban_{name}_client")
        functions = {
            file.stem: importlib.import_module(
                f"{package.__name__}.api.{file.parent.name}.{file.stem}"
            ).sync_detailed
            for file in project.glob(f"{package.__name__}/api/*/[!_]*.py")
        }
    finally:
        sys.path.remove(str(project))
    return Generated(package, functions)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Generated]:
    """Of every document, by its service."""
    folder = tmp_path_factory.mktemp("clients")
    return {path.name.partition(".")[0]: generated(path, folder) for path in sorted(API.glob("*.json"))}


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Suite]:
    running = Suite(tmp_path)
    running.process.start()
    try:
        yield running
    finally:
        assert running.process.stop() == 0, running.log.read_text("utf-8")


@pytest.fixture
def people(made: dict[str, Generated], suite: Suite) -> Iterator[People]:
    url = f"http://127.0.0.1:{suite.config.port}"
    roles = {
        ("office", "office/director"): Role.government_office,
        ("inspect", "inspect/chief"): Role.supervision_office,
        ("inspect", "inspect/deputy"): Role.supervision_office,
        ("gov", "gov/main-leader"): Role.main_leader,
        ("yjj", "yjj/head"): Role.unit_head,
        (CODE, "enterprise"): Role.enterprise,
    }
    everybody = People(
        *(Person(made, url, suite.token(unit, post, role)) for (unit, post), role in roles.items())
    )

    def served() -> bool:
        assert suite.process.ended() is None, suite.log.read_text("utf-8")
        try:
            return everybody.office.call("assignment.list_units").status_code == 200
        except httpx.TransportError:
            return False

    until(served, lambda: suite.log.read_text("utf-8"), 60)
    yield everybody
    for person in everybody:
        person.close()


def test_every_operation_becomes_a_function(made: dict[str, Generated]) -> None:
    for service, one in made.items():
        document = json.loads((API / f"{service}.openapi.json").read_text("utf-8"))
        operations = {
            operation["operationId"]
            for methods in document["paths"].values()
            for method, operation in methods.items()
            if method != "parameters"
        }
        assert one.functions.keys() == operations, service


def test_the_closed_loop(people: People, suite: Suite) -> None:
    office, chief, deputy, leader, head, enterprise = people
    # Units, posts, a directive that is arranged, a list with a task that is accepted.
    for unit, name, kind in (
        ("gov", "旗人民政府", "government"),
        ("office", "旗政府办公室", "office"),
        ("inspect", "督查室", "supervision"),
        ("yjj", "应急管理局", "department"),
    ):
        office.does("assignment.register_unit", id=unit, name=name, kind=kind)
    for post, title, role in (
        ("gov/main-leader", "旗长", "main_leader"),
        ("office/director", "办公室主任", "unit_head"),
        ("inspect/chief", "督查室主任", "unit_head"),
        ("inspect/deputy", "督查室副主任", "officer"),
        ("yjj/head", "主要负责人", "unit_head"),
    ):
        office.does("assignment.create_post", id=post, title=title, role=role)
        office.does(
            "assignment.appoint_holder", *post.split("/"), holder=f"{title}（在任）", since="2020-06-01"
        )
    office.waits_for(lambda page: len(page.items) == 5, "assignment.list_posts", limit=200)
    directive = office.does(
        "assignment.register_directive",
        number="鄂前政发〔2021〕1号",
        title="十五条措施",
        kind="banner_document",
        units=["yjj"],
        leader_post="gov/main-leader",
    )
    head.does("assignment.report_arrangement", directive.id, text="已布置。")
    chief.clock_with("in_time", chief.case(directive.id), "arrange")
    tasks = office.does(
        "assignment.open_task_list",
        title="任务清单",
        dated="2021-01-01",
        directive_id=str(directive.id),
        leader_post="gov/main-leader",
    )
    task = office.does(
        "assignment.assign_task",
        tasks.id,
        number="12",
        title="修订三项应急流程",
        lead_unit="yjj",
        target={"metric": "流程", "unit": "项", "value": 3.0},
        due_on="2021-02-07",
    )
    assert head.refused("assignment.accept_task", task.id, if_match='"9"') == "version-is-stale"
    head.does("assignment.accept_task", task.id, if_match=f'"{task.version}"')

    # A whistle: contact, plan, agreement.
    suite.at("2021-02-05 15:30")
    office.does(
        "enterprise.register_enterprise",
        credit_code=CODE,
        name="敖勒召其新能源有限公司",
        contact_name="联络员",
        contact_phone="0477-0000000",
    )
    office.waits_for(lambda page: page.items, "enterprise.list_enterprises", credit_code=CODE)
    whistle = enterprise.does(
        "enterprise.blow_whistle", category="项目审批", title="施工许可迟迟未批", text="已申请三周。"
    )
    whistle_case = chief.case(whistle.id)
    office.does("enterprise.route_whistle", whistle.id, lead_unit="yjj")
    suite.at("2021-02-07 10:00")
    head.does("enterprise.contact_enterprise", whistle.id, how="visit")
    chief.clock_with("in_time", whistle_case, "contact")
    head.does(
        "enterprise.propose_plan", whistle.id, plan="容缺受理。", steps=["受理"], promised_on="2021-02-26"
    )
    enterprise.does("enterprise.agree_plan", whistle.id)
    chief.clock_with("in_time", whistle_case, "resolve_or_confirm")

    # The task is missed; two rounds are slow.
    suite.at("2021-02-08 08:35")
    case = chief.case(task.id)
    chief.waits_for(
        lambda shown: any(one.missed for one in shown.clocks if one.clock == "task_due"),
        "supervision.show_case",
        case,
    )
    notice = head.waits_for(lambda page: page.items, "notify.list_notices", case_id=case)[0]
    assert notice.to_post == "yjj/head"
    chief.round(case, 1)
    head.does("supervision.answer_round", case, 1, text="初稿正在征求意见。")
    assert deputy.refused("supervision.sign_round", case, 1) == "only-the-main-head-signs"
    head.does("supervision.sign_round", case, 1)
    chief.does("supervision.judge_round", case, 1, verdict="slow", reason="三项仅完成一项。")
    deputy.does("supervision.verify_slow", case, 1, agreed=True, reason="属实。")
    chief.round(case, 2)
    head.does("supervision.answer_round", case, 2, text="其余两项未启动。")
    head.does("supervision.sign_round", case, 2)
    chief.does("supervision.judge_round", case, 2, verdict="slow", reason="仍只完成一项。")
    deputy.does("supervision.verify_slow", case, 2, agreed=True, reason="属实。")

    # The unit is named; the main leader is told.
    naming = chief.waits_for(lambda page: page.items, "supervision.list_namings", case_id=case)[0]
    escalation = leader.waits_for(lambda page: page.items, "notify.list_escalations", case_id=case)[0]
    leader.does("notify.acknowledge_escalation", escalation.id, note="请督促。")
    deputy.does("supervision.check_naming", naming.id)
    assert leader.refused("supervision.approve_naming", naming.id) == "objection-window-still-open"
    suite.at("2021-03-02 09:00")
    leader.does("supervision.approve_naming", naming.id)
    deputy.does("supervision.publish_naming", naming.id)
    published = chief.waits_for(
        lambda shown: shown.state == "published" and shown, "supervision.show_naming", naming.id
    )
    assert (published.year, published.number, published.rounds) == (2021, 1, [1, 2])

    # All is put right: the whistle is rated, the task accepted, the naming lifted.
    head.does("enterprise.resolve_whistle", whistle.id, result="已办结发证。")
    chief.clock_with("in_time", whistle_case, "hard_limit")
    enterprise.does("enterprise.rate_whistle", whistle.id, solved=True, satisfied=True, score=5)
    days = {"from_": date(2021, 2, 1), "until": date(2021, 3, 2)}
    office.waits_for(
        lambda shown: {one.id: one.numerator for one in shown.rates}["satisfied"] == 1,
        "enterprise.get_rates",
        **days,
    )
    head.does("assignment.claim_completion", task.id, note="三项流程已全部印发。", evidence=["印发文件"])
    chief.does("assignment.accept_completion", task.id)
    chief.clock_with("late", case, "task_due")
    deputy.does("supervision.lift_naming", naming.id, reason="已全部整改。")
    leader.waits_for(
        lambda page: [one.state for one in page.items] == ["withdrawn"],
        "notify.list_escalations",
        case_id=case,
    )
    assert chief.waits_for(lambda shown: shown.state == "closed" and shown, "assignment.get_task", task.id)
