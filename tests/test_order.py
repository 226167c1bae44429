"""Order is promised per aggregate only: every view ends with the same rows in whatever order aggregates arrive.

The logs are those of a real run of all four services in one process, in which every event that a view follows occurs.
"""

import random
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from eventsourcing.persistence import StoredEvent
from sqlalchemy import Column, MetaData, String, Table, create_engine

from services.enterprise.domain.credit_code import check_digit
from services.suite import SUITE
from services.supervision.application import Supervision
from services.supervision.domain import Case
from shared.domain.aggregate import stable_id
from shared.events import assignment
from shared.events.base import VOCABULARY, Actor, Fact, Message
from shared.log.codec import encode, read
from shared.readmodels.rows import Row, Rows
from shared.readmodels.view import View
from shared.rulebook import parse_rulebook
from shared.testing import Caller, Opened, StoppedClock, as_id, shanghai

Logs = dict[str, list[Message]]
Order = Callable[[Sequence[Message]], list[Message]]

UNITS = {
    "gov": "government",
    "office": "office",
    "inspect": "supervision",
    "angsu": "town",
    **dict.fromkeys(("fgw", "czj", "zrj", "gxj", "old", "joined", "left"), "department"),
}
POSTS = {
    "gov/main-leader": "main_leader",
    "gov/vice-leader": "vice_leader",
    "office/officer": "officer",
    "inspect/deputy": "officer",
    "fgw/officer": "officer",
    **{f"{unit}/head": "unit_head" for unit in UNITS if unit != "gov"},
}
ENTERPRISES = tuple(code + check_digit(code) for code in ("91150623MA0N00001", "91150623MA0N00002"))
TARGET = {"metric": "建成项目", "unit": "个", "value": 3}


class Suite:
    """All four services in one process, and the people who use them over HTTP."""

    def __init__(self, opened: Opened, clock: StoppedClock) -> None:
        self.opened, self.clock = opened, clock
        self._callers: dict[tuple[str, str], Caller] = {}

    def client(self, service: str, post: str) -> Caller:
        """Somebody at this post, or an enterprise by its credit code, with the role that goes with it."""
        if (service, post) not in self._callers:
            unit = post.partition("/")[0]
            known = {"office": "government_office", "inspect": "supervision_office"}
            role = "enterprise" if post in ENTERPRISES else known.get(unit) or POSTS[post]
            self._callers[service, post] = self.opened.client(service, role, unit, post)
        return self._callers[service, post]

    def do(self, post: str, path: str, /, **body: Any) -> UUID:
        """A command that must be accepted; the id in its answer."""
        service, _, rest = path.partition(":")
        return as_id(self.client(service, post).post(f"/api/v1/{rest}", body))

    def at(self, moment: str) -> None:
        """The clock stands there, and every worker has run."""
        self.clock.set(moment)
        self.opened.settle()

    # -- the story ---------------------------------------------------------------------------------------------

    def people(self) -> None:
        """Units and posts, one of each renamed, dissolved and vacated."""
        office = self.client("assignment", "office/head")
        for unit, kind in UNITS.items():
            office.post(
                "/api/v1/units", {"id": unit, "name": f"旗{unit}", "short_names": [unit], "kind": kind}
            )
        for post, role in POSTS.items():
            office.post("/api/v1/posts", {"id": post, "title": f"{post}岗位", "role": role})
            self.do(
                "office/head", f"assignment:posts/{post}/appoint-holder", holder="某人", since="2020-06-01"
            )
        self.do(
            "office/head",
            "assignment:posts/gov/vice-leader/assign-portfolio",
            units=["fgw", "czj", "zrj", "gxj", "office"],
        )
        self.do("office/head", "assignment:units/angsu/rename", name="昂素镇", short_names=["昂素"])
        self.do("office/head", "assignment:posts/old/head/vacate", on="2021-01-01")
        self.do("office/head", "assignment:units/old/dissolve", successor="fgw")
        self.opened.settle()

    def directives(self) -> UUID:
        """One to be arranged, late by one unit, and one to be decomposed; the first one."""
        notice = self.do(
            "office/head",
            "assignment:directives",
            number="鄂前政发〔2021〕1号",
            title="十五条措施",
            kind="banner_document",
            units=["fgw", "czj", "zrj"],
        )
        self.do("fgw/head", f"assignment:directives/{notice}/report-arrangement", text="已布置")
        visit = self.do(
            "office/head",
            "assignment:directives",
            number="调研〔2021〕1号",
            title="现场问题",
            kind="field_visit_issue",
        )
        pieces = [{"unit": "fgw", "what": "查清"}, {"unit": "zrj", "what": "整改"}]
        self.do("office/head", f"assignment:directives/{visit}/decompose", dispatches=pieces)
        self.do("fgw/head", f"assignment:directives/{visit}/give-feedback", text="已查清")
        self.units_dissolved()
        return notice

    def units_dissolved(self) -> None:
        """Two units have something to arrange when they are dissolved, one of them without a successor."""
        what = {"title": "机构改革", "kind": "banner_document", "units": ["joined", "left"]}
        reform = self.do("office/head", "assignment:directives", number="鄂前政发〔2021〕2号", **what)
        self.do("office/head", "assignment:units/joined/dissolve", successor="czj")
        self.do("office/head", "assignment:units/left/dissolve")
        self.opened.settle()
        self.do(
            "gov/main-leader",
            f"assignment:directives/{reform}/reassign-duty",
            unit="left",
            to_unit="zrj",
            reason="改由其承担",
        )
        for unit in ("czj", "zrj"):
            self.do(f"{unit}/head", f"assignment:directives/{reform}/report-arrangement", text="已布置")

    def task(self, list_id: UUID, number: str, **other: Any) -> UUID:
        """A task of fgw, due at the end of the year."""
        what = {"title": f"任务{number}", "lead_unit": "fgw", "target": TARGET, "due_on": "2021-12-31"}
        path = f"assignment:task-lists/{list_id}/tasks"
        return self.do("office/head", path, number=number, **{**what, **other})

    def tasks(self, directive: UUID) -> dict[str, UUID]:
        """Two lists and what becomes of their tasks."""
        first = self.do(
            "office/head",
            "assignment:task-lists",
            title="重点任务",
            dated="2021-01-04",
            directive_id=str(directive),
        )
        second = self.do("office/head", "assignment:task-lists", title="其他任务", dated="2021-01-04")
        supporters = [{"unit": "czj", "part": "资金"}, {"unit": "zrj", "part": "用地"}]
        step = {"on": "2021-01-15", "what": "开工"}
        tasks = {
            "done": self.task(first, "1", supporters=supporters, key_task=True, milestones=[step]),
            "instructed": self.task(first, "2", from_leader_instruction=True),
            "moved": self.task(first, "3", supporters=supporters[:1]),
            "cancelled": self.task(second, "1"),
            "superseded": self.task(second, "2"),
            "named": self.task(second, "3", secrecy="internal"),
            "corrected": self.task(second, "4"),
            "redrafted": self.task(second, "5"),
            "missed": self.task(second, "6", due_on="2021-01-08"),
            "secret": self.task(second, "7", secrecy="secret", secrecy_ground="涉密"),
        }

        def of(task: str, post: str, command: str, **body: Any) -> None:
            self.do(post, f"assignment:tasks/{tasks[task]}/{command}", **body)

        of("done", "fgw/head", "accept")
        of("done", "czj/head", "accept")
        piece = {"project": "一期", "post": "fgw/officer", "quantity": 3, "unit": "个"}
        of("done", "fgw/head", "break-down", items=[piece])
        of("done", "fgw/head", "report-progress", value=2, narrative="两个已建成")
        of("done", "fgw/head", "reach-milestone", **step)
        of("done", "czj/head", "support-done", note="到位")
        of("done", "inspect/head", "waive-support", unit="zrj", reason="不再需要")
        of("done", "fgw/head", "claim-completion", note="完成")
        of("done", "inspect/head", "send-back", reason="证据不足")
        of("done", "fgw/head", "claim-completion", note="补齐")
        of("done", "inspect/head", "accept-completion")

        of("instructed", "fgw/head", "claim-completion", note="完成", evidence=["报告"])
        of("instructed", "inspect/head", "accept-completion")
        of("instructed", "gov/main-leader", "new-instruction", text="再抓落实")

        of("moved", "fgw/head", "return", reason="不属本单位", suggested_unit="czj")
        of("moved", "office/head", "reassign", reason="采纳", lead_unit="gxj")
        of("moved", "gxj/head", "accept")
        of("moved", "czj/head", "return-support", reason="不属本单位", suggested_unit="zrj")
        of("moved", "gxj/head", "reassign-support", reason="采纳", unit="czj", to_unit="zrj")
        of("moved", "gxj/head", "request-extension", new_due_on="2022-03-01", reason="天气")
        of("moved", "gov/vice-leader", "refuse-extension", reason="再想办法")
        of("moved", "gxj/head", "request-extension", new_due_on="2022-03-01", reason="天气")
        of("moved", "gov/vice-leader", "grant-extension")
        of("moved", "gxj/head", "raise-dispute", with_units=["czj"], about="分工不清")
        of("moved", "gxj/head", "propose-solution", coordination="两次会商", solution="财政局负责")
        of("moved", "gov/vice-leader", "rule-on-dispute", ruling="同意")
        of("moved", "inspect/head", "suspend", reason="待上级文件")
        self.at("2021-01-05 10:00")
        of("moved", "inspect/head", "resume", reason="文件已到")

        of("cancelled", "gov/vice-leader", "cancel", reason="不再需要")
        of("superseded", "gov/vice-leader", "supersede", by_task=str(tasks["named"]), reason="合并")
        return tasks

    def whistles(self) -> None:
        """Merged and unmerged, withdrawn, reworked until it is raised a level, not feasible, rated."""
        coal, milk = ENTERPRISES
        for code in ENTERPRISES:
            self.do(code, "enterprise:enterprises", credit_code=code, name=f"企业{code[-2:]}")
        blown = {"category": "用地", "text": "已等三个月"}

        def blow(code: str, title: str, **more: Any) -> UUID:
            return self.do(code, "enterprise:whistles", title=title, **{**blown, **more})

        def of(whistle: UUID, post: str, command: str, **body: Any) -> None:
            self.do(post, f"enterprise:whistles/{whistle}/{command}", **body)

        main, joined, undone, back = (
            blow(code, title) for code, title in ((coal, "甲"), (milk, "乙"), (milk, "丙"), (milk, "丁"))
        )
        again = blow(coal, "戊")
        of(again, "office/officer", "link-repeat", earlier=str(main))
        of(main, "office/officer", "route", lead_unit="fgw", supporters=["czj"])
        of(joined, "office/officer", "merge", into=str(main))
        of(undone, "office/officer", "merge", into=str(main))
        of(undone, "office/officer", "unmerge", reason="并非一事")
        of(back, milk, "withdraw", reason="已自行解决")
        of(again, "office/officer", "route", lead_unit="fgw")
        of(again, "fgw/head", "return", reason="不属本单位", suggested_unit="czj")
        of(again, "office/officer", "route", lead_unit="czj")
        of(again, "czj/head", "claim-infeasible", legal_ground="土地管理法", explanation="占用基本农田")
        of(again, "inspect/head", "review-infeasible", upheld=True, reason="属实")
        of(joined, "fgw/head", "contact", how="phone")
        of(main, "fgw/head", "contact", how="phone")
        of(main, "fgw/head", "propose-plan", plan="分步办理", steps=["一"], promised_on="2021-01-20")
        of(main, coal, "agree-plan")
        self.opened.settle()
        for _ in range(3):
            of(main, "fgw/head", "resolve", result="已办好")
            of(main, coal, "rate", solved=False, satisfied=False, score=1, comment="没有")
        of(main, "gov/vice-leader", "route", lead_unit="gxj")
        of(undone, "office/officer", "route", lead_unit="zrj")
        of(undone, "zrj/head", "contact", how="phone")
        of(undone, "zrj/head", "resolve", result="已办好")
        of(undone, milk, "rate", solved=True, satisfied=True, score=5)
        of(joined, milk, "rate", solved=False, satisfied=False, score=1)

    def calendar(self) -> None:
        """A calendar that judges an arrangement of the past otherwise; drafts that wait, are withdrawn or overtaken."""
        days = [{"day": "2021-01-06", "working": False, "name": "旗庆"}]
        draft = self.do(
            "inspect/deputy", "supervision:calendar-releases", layer="banner", title="旗庆", days=days
        )
        later = [{"day": "2021-03-11", "working": False, "name": "演练"}]
        for title in ("撤回", "失效"):
            what = {"layer": "banner", "title": title, "days": later}
            other = self.do("inspect/deputy", "supervision:calendar-releases", **what)
            if title == "撤回":
                self.do("inspect/deputy", f"supervision:calendar-releases/{other}/withdraw", reason="不办")
        self.do("inspect/head", f"supervision:calendar-releases/{draft}/release")
        later = [{"day": "2021-03-10", "working": False, "name": "演练"}]
        self.do("inspect/deputy", "supervision:calendar-releases", layer="banner", title="演练", days=later)

    def round(self, case: UUID, number: int, verdict: str | None = "slow", **signed: Any) -> None:
        """fgw answers and signs, and it is judged."""
        path = f"supervision:cases/{case}/rounds/{number}"
        if not signed:
            self.do("fgw/officer", f"{path}/answer", text="正在办理")
        self.do("fgw/head", f"{path}/sign", **signed)
        if signed:
            late = f"supervision:cases/{case}/clocks/round_answer/{number}/confirm-earlier-time"
            self.do("inspect/deputy", late, confirmed=True, reason="有原始记录")
        self.do("inspect/head", f"{path}/judge", verdict=verdict, reason="认定")
        if verdict == "slow":
            if number == 3:
                self.do("gov/vice-leader", f"{path}/verify-slow", agreed=False, reason="尚有疑问")
                self.do("inspect/head", f"{path}/judge", verdict=verdict, reason="认定")
            self.do("gov/vice-leader", f"{path}/verify-slow", agreed=True, reason="属实")

    def published(self, naming: UUID) -> None:
        self.do("gov/main-leader", f"supervision:namings/{naming}/approve")
        self.do("inspect/deputy", f"supervision:namings/{naming}/publish")

    def rounds_and_namings(self, tasks: dict[str, UUID]) -> None:
        """Named after two slow rounds: objected to, withdrawn, drafted anew, published, lifted, corrected."""
        cases = {name: stable_id("case", "task", task) for name, task in tasks.items()}
        app: Any = self.opened["supervision"].app

        def naming_of(name: str) -> UUID:
            (naming,) = app.load(Case, cases[name]).namings_due.values()
            return naming  # type: ignore[no-any-return]

        for name in ("named", "corrected", "redrafted", "secret"):
            self.do("inspect/head", f"supervision:cases/{cases[name]}/issue-round", requirement="请说明进展")
            self.round(cases[name], 1)
            if name != "redrafted":
                self.round(cases[name], 2)
        self.do("fgw/officer", f"supervision:cases/{cases['redrafted']}/rounds/2/answer", text="正在办理")
        self.at("2021-01-08 09:00")

        # Objected to: the naming, then a round, which takes its ground away; a later round brings another.
        naming = naming_of("named")
        self.do("inspect/deputy", f"supervision:namings/{naming}/check")
        self.do("fgw/head", f"supervision:namings/{naming}/object", text="不服")
        self.do(
            "inspect/deputy",
            f"supervision:namings/{naming}/rule-on-objection",
            upheld=False,
            reason="不成立",
        )
        path = f"supervision:cases/{cases['named']}/rounds/2"
        self.do("fgw/head", f"{path}/object", text="已完成")
        self.do("inspect/deputy", f"{path}/rule-on-objection", upheld=True, reason="属实")
        corrected = naming_of("corrected")
        secret = naming_of("secret")
        for checked in (corrected, secret):
            self.do("inspect/deputy", f"supervision:namings/{checked}/check")

        # Unsigned and so slow; the signature was given in time; slow all the same.
        self.at("2021-01-13 09:00")
        first = naming_of("redrafted")
        self.do("inspect/deputy", f"supervision:namings/{first}/check")
        self.round(cases["redrafted"], 2, happened_at="2021-01-07T15:00:00+08:00")
        self.opened.settle()
        assert naming_of("redrafted") == first
        self.do("inspect/deputy", f"supervision:namings/{first}/check")

        self.at("2021-01-19 09:00")
        self.do("gov/main-leader", f"supervision:namings/{secret}/approve")
        self.published(corrected)
        self.do("inspect/head", f"supervision:cases/{cases['corrected']}/rounds/2/void", reason="误判")
        correction = self.do("inspect/head", f"supervision:namings/{corrected}/correct", text="更正")
        self.do("inspect/deputy", f"supervision:namings/{correction}/check")
        self.published(correction)
        self.published(first)
        self.do("gov/main-leader", f"supervision:namings/{first}/lift", reason="另行处理")
        self.do("inspect/head", f"supervision:cases/{cases['named']}/issue-round", requirement="第三轮")
        self.round(cases["named"], 3)

    def main_leader(self, tasks: dict[str, UUID]) -> None:
        """He is told, reminded, acknowledges; something moves; then nothing does, and it expires."""
        matter = stable_id("matter", stable_id("case", "task", tasks["redrafted"]))
        self.do("gov/main-leader", f"notify:escalations/{matter}/acknowledge", note="督查室跟进")
        self.at("2021-01-20 09:00")
        self.do(
            "fgw/head", f"assignment:tasks/{tasks['redrafted']}/report-progress", value=1, narrative="进展"
        )
        self.opened.settle()
        self.at("2021-01-26 09:00")

    def waiting(self) -> None:
        """A whistle whose rating is awaited when the story ends."""
        code = ENTERPRISES[0]
        whistle = self.do(code, "enterprise:whistles", title="己", category="用电", text="电力不足")
        self.do("office/officer", f"enterprise:whistles/{whistle}/route", lead_unit="zrj")
        self.do("zrj/head", f"enterprise:whistles/{whistle}/contact", how="phone")
        self.do("zrj/head", f"enterprise:whistles/{whistle}/resolve", result="已办好")
        self.opened.settle()

    def second_thoughts(self, directive: UUID, tasks: dict[str, UUID]) -> None:
        """An entry that is not believed, a return that is heard after the miss, a round whose date moves."""
        early = {"happened_at": "2021-01-05T10:00:00+08:00"}
        self.do("zrj/head", f"assignment:directives/{directive}/report-arrangement", text="补报", **early)
        self.opened.settle()
        case = stable_id("case", "duty", directive, "arrange", "zrj")
        late = f"supervision:cases/{case}/clocks/arrange/1/confirm-earlier-time"
        self.do("inspect/head", late, confirmed=False, reason="没有记录")
        back = {"reason": "不属本单位", "suggested_unit": "czj", "happened_at": "2021-01-04T15:00:00+08:00"}
        self.do("fgw/head", f"assignment:tasks/{tasks['missed']}/return", **back)
        self.opened.settle()
        asked = stable_id("case", "task", tasks["corrected"])
        self.do("inspect/head", f"supervision:cases/{asked}/issue-round", requirement="请说明进展")
        self.at("2021-03-22 09:00")
        (naming,) = (
            self.opened["supervision"]
            .app.load(Case, stable_id("case", "task", tasks["named"]))
            .namings_due.values()
        )
        self.do("inspect/deputy", f"supervision:namings/{naming}/check")
        days = [{"day": day, "working": False, "name": "沙尘停工"} for day in ("2021-03-18", "2021-03-24")]
        draft = self.do(
            "inspect/deputy", "supervision:calendar-releases", layer="banner", title="沙尘停工", days=days
        )
        self.do("inspect/head", f"supervision:calendar-releases/{draft}/release")
        self.opened.settle()
        judged = stable_id("case", "duty", directive, "arrange", "czj")
        path = f"supervision:cases/{judged}/clocks/arrange/1/revise"
        self.do("gov/main-leader", path, ground="旗庆放假")
        self.opened.settle()

    def upgrade(self) -> None:
        """Supervision has another rulebook than notify when the last whistle is blown."""
        app = self.opened["supervision"].app
        assert isinstance(app, Supervision)
        text = app.rulebook.text.replace("# version: 4", "# version: 5")
        app.rulebook = parse_rulebook(text, "upgrade")
        app.release_rulebook()
        self.do(ENTERPRISES[0], "enterprise:whistles", title="庚", category="用电", text="电力不足")
        self.opened.settle()

    def absences(self) -> None:
        """A trip with its report, one that is refused, one that is cancelled."""
        dates = {"kind": "study_trip", "first": "2021-01-26", "last": "2021-01-27", "purpose": "学习"}
        first, second, third = (self.do("fgw/head", "supervision:absences", **dates) for _ in range(3))
        self.do("gov/vice-leader", f"supervision:absences/{second}/refuse", reason="近期任务重")
        self.do("fgw/head", f"supervision:absences/{third}/cancel", reason="不去了")
        self.do("gov/vice-leader", f"supervision:absences/{first}/approve")
        self.do("fgw/head", f"supervision:absences/{first}/begin")
        self.do("fgw/head", f"supervision:absences/{first}/end")
        self.do("fgw/head", f"supervision:absences/{first}/submit-report", text="三点建议")
        self.opened.settle()

    def half_months(self) -> None:
        """One unit reports, what another reported does not count, one is excused, of one more is required."""
        self.at("2021-03-16 09:00")
        duties = self.client("supervision", "inspect/head").get("/api/v1/duties").json["items"]
        of = {duty["unit"]: f"supervision:duties/{duty['id']}" for duty in duties}
        for unit in ("fgw", "czj"):
            what = {"half_month": "2021-03-16", "nil": True}
            credit = self.do(f"{unit}/head", "supervision:half-month-reports", **what)
        self.opened.settle()
        self.do("inspect/head", f"{of['czj']}/withdraw-credit", credit_id=str(credit), reason="不实")
        self.do("inspect/head", f"{of['zrj']}/excuse", ground="抗洪")
        self.do("inspect/head", f"{of['gxj']}/adjust", required=2, ground="两项重点任务")
        self.opened.settle()

    def run(self) -> None:
        """The story."""
        self.people()
        directive = self.directives()
        tasks = self.tasks(directive)
        self.whistles()
        self.at("2021-01-07 09:00")
        self.do("czj/head", f"assignment:directives/{directive}/report-arrangement", text="补布置")
        self.calendar()
        self.opened.settle()
        self.rounds_and_namings(tasks)
        self.main_leader(tasks)
        self.absences()
        self.half_months()
        self.second_thoughts(directive, tasks)
        self.upgrade()
        self.waiting()


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logs]:
    """The four services' logs after the story, which nothing in it was parked in."""
    clock = StoppedClock(shanghai("2021-01-04 09:00"))
    with Opened(tmp_path_factory.mktemp("suite"), clock, *SUITE.values()) as opened:
        Suite(opened, clock).run()
        found: Logs = {}
        for name, runtime in opened.runtimes.items():
            assert runtime.reactor is None or runtime.reactor.parked() == []
            rows = runtime.app.log.select_notifications(start=None, limit=1_000_000)
            found[name] = [read(name, 0, row) for row in rows]
        yield found


# -- orders ---------------------------------------------------------------------------------------------------------


def key(message: Message) -> tuple[str, UUID]:
    return message.source, message.aggregate_id


def by_aggregate(messages: Sequence[Message]) -> dict[tuple[str, UUID], list[Message]]:
    """Each aggregate's messages in their own order, the aggregates in the order of their first."""
    found: dict[tuple[str, UUID], list[Message]] = defaultdict(list)
    for message in messages:
        found[key(message)].append(message)
    return found


def shuffled(seed: int) -> Order:
    def order(messages: Sequence[Message]) -> list[Message]:
        """Any interleaving is as likely as any other."""
        waiting = {one: iter(own) for one, own in by_aggregate(messages).items()}
        turns = [key(message) for message in messages]
        random.Random(seed).shuffle(turns)
        return [next(waiting[one]) for one in turns]

    return order


def partition_after_partition(number: int) -> Order:
    def order(messages: Sequence[Message]) -> list[Message]:
        """As Kafka would after an outage: one partition whole, then the next."""
        return sorted(messages, key=lambda message: zlib.crc32(message.aggregate_id.bytes) % number)

    return order


def aggregates_in_reverse(messages: Sequence[Message]) -> list[Message]:
    return [message for own in reversed(by_aggregate(messages).values()) for message in own]


def last(which: Callable[[Message], bool]) -> Order:
    return lambda messages: sorted(messages, key=which)


def first(which: Callable[[Message], bool]) -> Order:
    return lambda messages: sorted(messages, key=lambda message: not which(message))


def orders(messages: Sequence[Message]) -> Iterator[tuple[str, Order]]:
    """Names and orders: random ones, and the extreme ones for every source, aggregate and kind of aggregate."""
    for seed in range(12):
        yield f"random {seed}", shuffled(seed)
    for number in (2, 5):
        yield f"{number} partitions", partition_after_partition(number)
    yield "aggregates in reverse", aggregates_in_reverse
    for source in {message.source for message in messages}:
        yield f"all of {source} last", last(lambda message, source=source: message.source == source)
    aggregates = by_aggregate(messages)
    kinds = {one: own[0].fact.TOPIC for one, own in aggregates.items()}
    for kind in sorted(set(kinds.values())):
        yield f"{kind} last", last(lambda message, kind=kind: kinds[key(message)] == kind)
        yield f"{kind} first", first(lambda message, kind=kind: kinds[key(message)] == kind)
    for one in aggregates:
        yield f"{one} last", last(lambda message, one=one: key(message) == one)


# -- the views ------------------------------------------------------------------------------------------------------


def fold(view: View, messages: Sequence[Message]) -> dict[str, Row]:
    """The rows after these messages."""
    engine = create_engine("sqlite://")
    table = Table("view", MetaData(), Column("id", String(160), primary_key=True), *view.columns())
    with engine.begin() as connection:
        table.create(connection)
        rows = Rows(connection, table, {}, True)
        for message in messages:
            view.fold(rows, message)
        rows.flush()
        found = {row.id: dict(row._mapping) for row in connection.execute(table.select())}
    engine.dispose()
    return found


VIEWS = [(name, view) for name, service in SUITE.items() for view in service.views]


def test_every_event_that_a_view_follows_occurs(logs: Logs) -> None:
    followed = {
        topic
        for _, view in VIEWS
        for topic in view.handlers
        if topic in VOCABULARY and not VOCABULARY[topic].RETIRED
    }
    occurred = {message.fact.TOPIC for messages in logs.values() for message in messages}
    assert sorted(followed - occurred) == []
    assert followed <= set(VOCABULARY)


@pytest.mark.parametrize(("service", "kind"), VIEWS, ids=[f"{name}-{view.name}" for name, view in VIEWS])
def test_a_view_is_the_same_in_every_order_of_aggregates(logs: Logs, service: str, kind: type[View]) -> None:
    view = kind()
    followed = [
        message for source in view.sources for message in logs[source] if message.fact.TOPIC in view.handlers
    ]
    expected = fold(view, sorted(followed, key=lambda message: message.fact.timestamp))
    assert expected, "the story leaves rows in every view"
    for name, order in orders(followed):
        arranged = order(followed)
        assert sorted(map(id, arranged)) == sorted(map(id, followed))
        assert by_aggregate(arranged) == by_aggregate(followed), "each aggregate keeps its own order"
        found = fold(view, arranged)
        different = {row: (expected.get(row), found.get(row)) for row in expected.keys() | found.keys()}
        assert {row: both for row, both in different.items() if both[0] != both[1]} == {}, name


# -- what is joined when it is read -----------------------------------------------------------------------------------


def test_a_list_is_shown_once_it_has_arrived_with_the_tasks_that_came_before_it(tmp_path: Path) -> None:
    clock = StoppedClock(shanghai("2021-01-04 09:00"))
    task_list, task = stable_id("list", 1), stable_id("task", 1)
    common: dict[str, Any] = {
        "timestamp": clock(),
        "happened_at": clock(),
        "by": Actor(unit="office", post="office/head"),
        "because": "request:test",
    }
    assigned = assignment.TaskAssigned(
        list_id=task_list,
        number="1",
        title="任务",
        lead_unit="fgw",
        post="fgw/head",
        supporters=(assignment.Support(unit="czj", part="资金"),),
        leader_post="gov/vice-leader",
        target=assignment.Target(metric="建成项目", unit="个", value=Decimal(3)),
        due_on=date(2021, 12, 31),
        **common,
    )
    reassigned = assignment.TaskReassigned(
        from_unit="fgw", lead_unit="zrj", post="zrj/head", reason="采纳", **common
    )
    opened_list = assignment.TaskListOpened(
        title="重点任务", dated=date(2021, 1, 4), leader_post="gov/vice-leader", **common
    )
    with Opened(tmp_path, clock, SUITE["assignment"]) as opened:
        suite = Suite(opened, clock)

        def arrives(fact: Fact, aggregate: UUID, version: int = 1) -> None:
            stored = StoredEvent(aggregate, version, fact.TOPIC, encode(fact))
            opened["assignment"].app.log.insert_events([stored])
            opened.settle()

        def who_sees_it() -> dict[str, int]:
            seen: dict[str, int] = {}
            for post in ("gov/vice-leader", "office/head", "fgw/head", "czj/head", "zrj/head", "gxj/head"):
                client = suite.client("assignment", post)
                items = client.get("/api/v1/task-lists").json["items"]
                one = client.get(f"/api/v1/task-lists/{task_list}")
                shown = {name: value for name, value in (one.json or {}).items() if name != "may"}
                assert [shown] == items if items else one.status_code == 404
                for item in items:
                    seen[post] = item["tasks"]
            return seen

        arrives(assigned, task)
        assert who_sees_it() == {}
        arrives(opened_list, task_list)
        assert who_sees_it() == {"gov/vice-leader": 1, "office/head": 1, "fgw/head": 1, "czj/head": 1}
        arrives(reassigned, task, 2)
        assert who_sees_it() == {
            "gov/vice-leader": 1,
            "office/head": 1,
            "fgw/head": 1,
            "czj/head": 1,
            "zrj/head": 1,
        }
