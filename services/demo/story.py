"""The story of the demo: what the services did with the notice itself, told from what they answered."""

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from services.assignment.samples.build import TASK_LIST, UNITS
from services.demo.stage import Actor, Deviation, Stage, moment
from shared.domain.roles import Role

NUMBER = "鄂前政发〔2021〕1号"
TITLE = "关于印发《进一步提升政务工作创造力执行力公信力十五条措施》的通知"
CODES = ("91150623MA0N4D2C2Y", "91150623MA0QX7L806")


@dataclass
class Story:
    """Tells and checks: each line holds what a service answered, and a deviation ends it."""

    stage: Stage
    say: Callable[[str], None]
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    heads: dict[str, Actor] = field(default_factory=dict)

    # -- telling -----------------------------------------------------------------------------------------------

    def tell(self, zh: str, en: str) -> None:
        """One line, with the suite's own date and time."""
        now = self.stage.clock().astimezone(moment("2021-01-01 00:00").tzinfo)
        day = "一二三四五六日"[now.weekday()]
        text = zh if self.stage.language == "zh" else en
        weekday = f"周{day}" if self.stage.language == "zh" else f"{now:%a}"
        self.say(f"{now:%Y-%m-%d} {weekday} {now:%H:%M}  {text}")

    def chapter(self, zh: str, en: str) -> None:
        """A heading."""
        self.say("")
        self.say(f"■ {zh if self.stage.language == 'zh' else en}")

    def check(self, what: str, found: Any, wanted: Any) -> None:
        """Whether the services found what the measures say."""
        if found != wanted:
            raise Deviation(f"{what}: {found!r} instead of {wanted!r}")

    def refused(self, actor: Actor, service: str, path: str, body: Any, rule: str) -> str:
        """Somebody tries what a rule forbids; the reason that they were given."""
        answer = actor.tries(service, path, body)
        self.check(f"POST {path} refused", answer.rule, rule)
        return str(answer.body["detail"])

    # -- chapters ----------------------------------------------------------------------------------------------

    def run(self) -> None:
        """The whole of it."""
        self.people()
        self.directive()
        self.list_of_tasks()
        self.field_visit()
        self.downtime()
        self.whistles()
        self.slow_twice()
        self.named()
        self.rectified()
        self.boards()
        self.reports()

    def people(self) -> None:
        """Units and posts."""
        self.chapter("单位和岗位", "Units and posts")
        self.office = self.stage.actor("office", "office/director", Role.government_office)
        self.inspector = self.stage.actor("inspect", "inspect/chief", Role.supervision_office)
        self.second = self.stage.actor("inspect", "inspect/deputy", Role.supervision_office)
        self.leader = self.stage.actor("gov", "gov/main-leader", Role.main_leader)
        self.vice = self.stage.actor("gov", "gov/vice-leader", Role.vice_leader)
        with UNITS.open(encoding="utf-8-sig", newline="") as file:
            units = list(csv.DictReader(file))
        for unit in units:
            self.office.does(
                "assignment",
                "units",
                {
                    "id": unit["id"],
                    "name": unit["name"],
                    "short_names": [name for name in unit["short_names"].split(";") if name],
                    "kind": unit["kind"],
                },
            )
        posts = [
            ("gov/main-leader", "旗长", "main_leader"),
            ("gov/vice-leader", "分管副旗长", "vice_leader"),
            ("gov/standing-vice-leader", "常务副旗长", "vice_leader"),
            ("office/director", "办公室主任", "unit_head"),
            ("inspect/chief", "督查室主任", "unit_head"),
            ("inspect/deputy", "督查室副主任", "officer"),
            ("spj/approval", "审批科科长", "officer"),
        ]
        headed = {"office": "office/director", "inspect": "inspect/chief"}
        posts += [
            (f"{unit['id']}/head", "主要负责人", "unit_head")
            for unit in units
            if unit["id"] not in ("gov", *headed)
        ]
        for post, title, role in posts:
            self.office.does("assignment", "posts", {"id": post, "title": title, "role": role})
            self.office.does(
                "assignment",
                f"posts/{post}/appoint-holder",
                {"holder": f"{title}（在任）", "since": "2020-06-01"},
            )
        self.office.does(
            "assignment",
            "posts/gov/vice-leader/assign-portfolio",
            {
                "units": ["fgw", "gxj", "sfj", "yjj", "spj", "zrj", "zjj", "nmj", "office"],
                "fields": ["产业发展", "项目建设", "政务服务"],
            },
        )
        for unit in units:
            if unit["id"] != "gov":
                post = headed.get(unit["id"], f"{unit['id']}/head")
                self.heads[unit["id"]] = self.stage.actor(unit["id"], post, Role.unit_head)
        self.office.waits_for(
            "assignment", "posts?limit=200", lambda body: len(body["items"]) == len(posts), "the posts"
        )
        self.tell(
            f"登记了{len(units)}个单位、{len(posts)}个岗位；责任落到岗位，不落空岗。",
            f"{len(units)} units and {len(posts)} posts are registered; responsibility is held by posts.",
        )

    def directive(self) -> None:
        """The notice is received on a holiday, arranged by some, late by one."""
        self.chapter("收文：元旦当天收到通知（措施8）", "A directive received on a holiday (measure 8)")
        self.stage.step("2021-01-01 10:00")
        received = ["fgw", "spj", "zrj", "shm-zone"]
        self.directive_id = self.office.does(
            "assignment",
            "directives",
            {
                "number": NUMBER,
                "title": TITLE,
                "kind": "banner_document",
                "units": received,
                "leader_post": "gov/main-leader",
            },
        )["id"]
        case = self.waits_for_case(subject_id=self.directive_id, unit="shm-zone")
        clock = self.clock(case, "arrange")
        self.check("arrange due", clock["due_on"], "2021-01-05")
        self.tell(
            f"{NUMBER} 送达{len(received)}个单位，当天是元旦；2个工作日内布置落实，时限 {clock['due_on']}。",
            f"{NUMBER} reaches {len(received)} units on New Year's Day: to be arranged within 2 working days, by {clock['due_on']}.",
        )
        reason = self.refused(
            self.office,
            "assignment",
            "directives",
            {
                "number": NUMBER,
                "title": TITLE,
                "kind": "banner_document",
                "units": received,
                "leader_post": "gov/main-leader",
            },
            "already-exists",
        )
        self.tell(f"再登记一次，被拒绝：{reason}", f"Registered again it is refused: {reason}")
        for when, unit in (
            ("2021-01-04 15:00", "fgw"),
            ("2021-01-04 17:40", "spj"),
            ("2021-01-05 20:30", "zrj"),
        ):
            self.stage.step(when)
            self.heads[unit].does(
                "assignment",
                f"directives/{self.directive_id}/report-arrangement",
                {"text": "已召开会议传达并明确责任科室。"},
            )
            stopped = self.waits_for_stop(
                self.waits_for_case(subject_id=self.directive_id, unit=unit), "arrange"
            )
            self.check(f"{unit} arranged", stopped["verdict"], "in_time")
            self.tell(f"{self.unit(unit)}报告已布置落实：按时。", f"{unit} reports its arrangement: in time.")
        self.stage.step("2021-01-06 09:00")
        missed = self.waits_for_miss(case, "arrange")
        self.tell(
            f"{self.unit('shm-zone')}未按时布置：应于 {missed['due_on']} 前，系统于 {self.local(missed['missed_detected_at'])} 发现。",
            f"shm-zone did not arrange it by {missed['due_on']}; detected {self.local(missed['missed_detected_at'])}.",
        )
        self.waits_for_round(case, 1)
        self.stage.step("2021-01-06 10:00")
        self.heads["shm-zone"].does(
            "assignment", f"directives/{self.directive_id}/report-arrangement", {"text": "已补充布置。"}
        )
        stopped = self.waits_for_stop(case, "arrange")
        self.check("shm-zone arranged", stopped["verdict"], "late")
        self.tell(
            f"{self.unit('shm-zone')}补报布置：判定为超时，第1轮督办随结案作废。",
            "shm-zone reports late: judged late, and its round 1 is void as the duty is done.",
        )

    def list_of_tasks(self) -> None:
        """The list is imported, a task returned, a dispute ruled on."""
        self.chapter("任务清单：导入、签收、退回、裁定（措施7）", "The task list (measure 7)")
        self.stage.step("2021-01-06 11:00")
        answer = self.office.uploads(
            "assignment",
            "task-lists/import",
            TASK_LIST,
            title=f"{NUMBER}任务清单",
            dated="2021-01-01",
            directive_id=self.directive_id,
            leader_post="gov/main-leader",
        )
        if answer.status != 200:
            raise Deviation(f"import: {answer.status} {answer.body}")
        self.check("refused rows", answer.body["rejected"], [])
        self.check("tasks", answer.body["assigned"], 22)
        page = self.office.waits_for(
            "assignment",
            "tasks?limit=200",
            lambda body: body if len(body["items"]) == 22 else None,
            "22 tasks",
        )
        self.tasks = {task["number"]: task for task in page["items"]}
        self.tell(
            f"导入 Excel 任务清单：{answer.body['assigned']}项全部入库，牵头、配合、岗位、量化目标、时限齐全。",
            f"The spreadsheet is imported: {answer.body['assigned']} tasks with lead, supporters, post, target and date.",
        )
        again = self.office.uploads(
            "assignment",
            "task-lists/import",
            TASK_LIST,
            title=f"{NUMBER}任务清单",
            dated="2021-01-01",
            directive_id=self.directive_id,
            leader_post="gov/main-leader",
        )
        self.check("imported again", again.status, answer.status)
        self.check("unchanged", (again.body["assigned"], again.body["unchanged"]), (0, 22))
        self.tell("同一份清单再导入一次：没有任何变化。", "The same list imported again changes nothing.")
        list_id = answer.body["id"]
        reason = self.refused(
            self.office,
            "assignment",
            f"task-lists/{list_id}/tasks",
            {
                "number": "23",
                "title": "春节期间完成的事项",
                "lead_unit": "fgw",
                "target": {"metric": "完成率", "unit": "%", "value": 100},
                "due_on": "2021-02-12",
            },
            "due-on-rest-day",
        )
        self.tell(f"把时限定在大年初一，被拒绝：{reason}", f"A due date on a rest day is refused: {reason}")

        returned = self.tasks["11"]
        for number, task in self.tasks.items():
            supporters = [support["unit"] for support in task["supporters"]]
            for unit in (*([task["lead_unit"]] if number != returned["number"] else []), *supporters):
                self.heads[unit].does("assignment", f"tasks/{task['id']}/accept")
        self.heads["fgw"].does(
            "assignment",
            f"tasks/{returned['id']}/return",
            {"reason": "半月专报由旗政府办公室统一汇总更合适。", "suggested_unit": "office"},
        )
        self.stage.step("2021-01-07 09:30")
        self.office.does(
            "assignment",
            f"tasks/{returned['id']}/reassign",
            {"reason": "采纳发改委建议。", "lead_unit": "office"},
        )
        self.heads["office"].does("assignment", f"tasks/{returned['id']}/accept")
        case = self.waits_for_case(subject_id=returned["id"])
        custody = self.inspector.waits_for(
            "supervision",
            f"custody?case_id={case}",
            lambda body: body["items"] if len(body["items"]) >= 2 else None,
            "custody of the returned task",
        )
        due = self.clock(case, "task_due")["due_on"]
        self.check("the outer clock", due, returned["due_on"])
        self.tell(
            f"第11项被发改委退回、改派政府办：时限仍是 {due}，各经手单位时间分开计（{len(custody)}段）。",
            f"Task 11 is returned and reassigned: still due {due}; each unit's custody is counted apart ({len(custody)} stays).",
        )

        disputed = self.tasks["18"]
        self.heads["spj"].does(
            "assignment",
            f"tasks/{disputed['id']}/raise-dispute",
            {"with_units": ["zrj"], "about": "不动产登记并联审批由谁牵头受理。"},
        )
        reason = self.refused(
            self.vice,
            "assignment",
            f"tasks/{disputed['id']}/rule-on-dispute",
            {"ruling": "先裁定再说。"},
            "dispute-without-solution",
        )
        self.tell(
            f"没有解决方案就请领导裁定，被拒绝：{reason}", f"Ruling without a solution is refused: {reason}"
        )
        self.heads["spj"].does(
            "assignment",
            f"tasks/{disputed['id']}/propose-solution",
            {
                "coordination": "1月7日召开协调会，意见未统一。",
                "solution": "审批局统一受理，自然资源局限时办理。",
            },
        )
        self.vice.does(
            "assignment",
            f"tasks/{disputed['id']}/rule-on-dispute",
            {"ruling": "同意，由审批局统一受理。"},
        )
        self.tell(
            "审批局与自然资源局意见不一致：牵头单位拿出方案，分管副旗长裁定。",
            "A disagreement: the lead writes down a solution, the vice leader rules.",
        )

    def field_visit(self) -> None:
        """A matter put to the main leader on a field visit."""
        self.chapter("主要领导调研交办（措施8）", "Put to the main leader on a field visit (measure 8)")
        self.stage.step("2021-01-08 11:00")
        self.visit_id = self.office.does(
            "assignment",
            "directives",
            {
                "number": "调研交办〔2021〕1号",
                "title": "城川镇供水管网和进村道路问题",
                "kind": "field_visit_issue",
                "leader_post": "gov/main-leader",
            },
        )["id"]
        case = self.waits_for_case(subject_id=self.visit_id)
        self.check("decompose due", self.clock(case, "decompose")["due_on"], "2021-01-11")
        self.stage.step("2021-01-11 09:20")
        self.office.does(
            "assignment",
            f"directives/{self.visit_id}/decompose",
            {
                "dispatches": [
                    {"unit": "slj", "what": "供水管网改造方案"},
                    {"unit": "jtj", "what": "进村道路维修方案"},
                ]
            },
        )
        self.check("decomposed", self.waits_for_stop(case, "decompose")["verdict"], "in_time")
        self.feedback = {
            unit: self.waits_for_case(subject_id=self.visit_id, unit=unit) for unit in ("slj", "jtj")
        }
        due = {self.clock(one, "feedback")["due_on"] for one in self.feedback.values()}
        self.check("feedback due", due, {"2021-01-13"})
        self.tell(
            "政府办1个工作日内分解到水利局、交通局；两局应于 2021-01-13 前反馈办理意见。",
            "Decomposed within 1 working day; two units owe feedback by 2021-01-13.",
        )

    def downtime(self) -> None:
        """The supervision workers are killed for three days."""
        self.chapter("督查服务停机三天再恢复", "Supervision's worker is killed for three days")
        self.stage.step("2021-01-13 17:00")
        self.stage.kill_workers("supervision")
        self.tell("督查服务的后台进程被强行终止（kill -9）。", "kill -9 for the supervision worker.")
        self.complete("7", "2021-01-14 15:00")
        self.stage.step("2021-01-16 17:00")
        self.stage.start_workers("supervision")
        for unit, case in self.feedback.items():
            missed = self.waits_for_miss(case, "feedback")
            self.check(f"{unit} due", missed["due_on"], "2021-01-13")
            self.tell(
                f"恢复运行：{self.unit(unit)}反馈超时，时限 {missed['due_on']}，发现于 {self.local(missed['missed_detected_at'])}。",
                f"Up again: {unit} missed its feedback of {missed['due_on']}, detected {self.local(missed['missed_detected_at'])}.",
            )
        self.stage.kill_workers("supervision")
        self.stage.start_workers("supervision")
        self.stage.step("2021-01-18 08:40")
        for unit, case in self.feedback.items():
            shown = self.inspector.sees("supervision", f"cases/{case}")
            self.check(f"misses of {unit}", shown["missed"], 1)
            self.heads[unit].does(
                "assignment", f"directives/{self.visit_id}/give-feedback", {"text": "方案已报旗政府。"}
            )
            self.check(f"{unit} fed back", self.waits_for_stop(case, "feedback")["verdict"], "late")
        self.tell(
            "停机期间的超时各记一次、两个时间都在，不多不少；两局补报反馈后销号。",
            "Every miss of those days stands once, with both times; the two units report and are done.",
        )
        self.complete("13", "2021-01-21 10:00")
        self.complete("2", "2021-01-27 10:00")
        self.complete("8", "2021-01-28 16:00")
        self.complete("19", "2021-02-04 11:00")
        self.tell(
            "第2、7、8、13、19项按时申报，督查室（本单位事项由主要领导）认定办结。",
            "Tasks 2, 7, 8, 13 and 19 are claimed in time and accepted.",
        )

    def whistles(self) -> None:
        """Two whistles on a Friday before a make-up Sunday."""
        self.chapter("企业吹哨、部门报到（措施13）", "Enterprises blow the whistle (measure 13)")
        self.stage.step("2021-02-05 15:30")
        first, second = CODES
        for code, name in ((first, "敖勒召其新能源有限公司"), (second, "上海庙煤化工有限公司")):
            self.office.does(
                "enterprise",
                "enterprises",
                {
                    "credit_code": code,
                    "name": name,
                    "contact_name": "企业联络员",
                    "contact_phone": "0477-0000000",
                },
            )
        one, other = (self.stage.actor(code, "enterprise", Role.enterprise) for code in CODES)
        self.stage.step("2021-02-05 16:00")
        whistle = one.does(
            "enterprise",
            "whistles",
            {"category": "项目审批", "title": "施工许可迟迟未批", "text": "项目施工许可证已申请三周。"},
        )
        self.office.does("enterprise", f"whistles/{whistle['id']}/route", {"lead_unit": "spj"})
        case = self.waits_for_case(subject_id=whistle["id"])
        dates = {
            name: self.clock(case, name)["due_on"] for name in ("contact", "resolve_or_confirm", "hard_limit")
        }
        self.check("contact due", dates["contact"], "2021-02-07")
        self.check("hard limit", dates["hard_limit"], "2021-03-24")
        self.tell(
            f"{whistle['number']} 周五吹哨：联系时限 {dates['contact']}（周日，调休上班），"
            f"解决或服务确认 {dates['resolve_or_confirm']}，最长 {dates['hard_limit']}。",
            f"{whistle['number']} on Friday: contact by {dates['contact']}, a make-up Sunday; "
            f"resolve or confirm by {dates['resolve_or_confirm']}; at most {dates['hard_limit']}.",
        )
        self.stage.step("2021-02-05 16:30")
        bounced = other.does(
            "enterprise",
            "whistles",
            {"category": "用地", "title": "项目用地手续", "text": "用地预审在部门间往返。"},
        )
        bounced_case = self.waits_for_case(subject_id=bounced["id"])
        before = self.clock(bounced_case, "hard_limit")["due_on"]
        for unit, suggested in (("zrj", "zjj"), ("zjj", "nmj")):
            self.office.does("enterprise", f"whistles/{bounced['id']}/route", {"lead_unit": unit})
            self.heads[unit].does(
                "enterprise",
                f"whistles/{bounced['id']}/return",
                {"reason": "不属本单位职责。", "suggested_unit": suggested},
            )
        self.office.does("enterprise", f"whistles/{bounced['id']}/route", {"lead_unit": "nmj"})
        self.inspector.waits_for(
            "supervision",
            f"cases/{bounced_case}",
            lambda body: body["unit"] == "nmj",
            "the bounced whistle at its third lead",
        )
        self.check("outer clock after two bounces", self.clock(bounced_case, "hard_limit")["due_on"], before)
        self.tell(
            f"{bounced['number']} 两次被退单、第三家接手：总时限 {before} 一天没动。",
            f"{bounced['number']} is bounced twice: its outer limit {before} has not moved.",
        )
        self.stage.step("2021-02-07 10:00")
        self.heads["spj"].does("enterprise", f"whistles/{whistle['id']}/contact", {"how": "visit"})
        self.check("contact", self.waits_for_stop(case, "contact")["verdict"], "in_time")
        self.tell(
            "周日上午，审批局上门联系企业：按时。", "On that Sunday spj visits the enterprise: in time."
        )

        self.stage.step("2021-02-08 08:35")
        missed = self.waits_for_miss(bounced_case, "contact")
        notice = self.heads["nmj"].waits_for(
            "notify",
            f"notices?level=missed&case_id={bounced_case}",
            lambda body: next((one for one in body["items"] if one["clock"] == "contact"), None),
            "the red notice to nmj",
        )
        self.tell(
            f"{bounced['number']} 到期无联系记录，{self.local(missed['missed_detected_at'])} 记为超时，{self.unit('nmj')}主要负责人收到红色通知。",
            f"{bounced['number']}: no contact on record, missed; the head of nmj gets a red notice.",
        )
        self.stage.step("2021-02-08 10:00")
        early = moment("2021-02-07 15:00").isoformat()
        reason = self.refused(
            self.heads["nmj"],
            "enterprise",
            f"whistles/{bounced['id']}/contact",
            {"how": "phone", "happened_at": moment("2021-02-05 09:00").isoformat()},
            "before-what-it-rests-on",
        )
        self.tell(
            f"把联系时间填在接手之前，被拒绝：{reason}",
            f"A contact before it had the whistle is refused: {reason}",
        )
        self.heads["nmj"].does(
            "enterprise", f"whistles/{bounced['id']}/contact", {"how": "phone", "happened_at": early}
        )
        entered = self._waits_for_clock(
            bounced_case, "contact", lambda one: one["claim"] == "waiting", "to be confirmed"
        )
        self.check("entered late", entered["verdict"], "late")
        other.does(
            "supervision",
            f"cases/{bounced_case}/clocks/contact/1/confirm-earlier-time",
            {"confirmed": True, "reason": "周日下午确有来电。"},
        )
        self._waits_for_clock(
            bounced_case, "contact", lambda one: one["verdict"] == "in_time", "in time after all"
        )
        self.heads["nmj"].waits_for(
            "notify",
            f"notices/{notice['id']}",
            lambda body: body["state"] == "withdrawn",
            "the withdrawn notice",
        )
        self.tell(
            "农牧局补录：周日15:00已电话联系，经企业核实。超时撤回，通知随之撤回，两种说法都留在日志里。",
            "nmj records that it phoned on Sunday at 15:00, and the enterprise confirms it: the miss and its notice are "
            "withdrawn, both beliefs stay in the log.",
        )
        reason = self.refused(
            self.heads["nmj"],
            "enterprise",
            f"whistles/{bounced['id']}/propose-plan",
            {"plan": "慢慢办", "steps": ["研究"], "promised_on": "2021-03-25"},
            "promise-beyond-hard-limit",
        )
        self.tell(
            f"承诺日期超过30个工作日，被拒绝：{reason}",
            f"A promise beyond 30 working days is refused: {reason}",
        )
        for actor, owner, item, promised in (
            (self.heads["spj"], one, whistle, "2021-03-03"),
            (self.heads["nmj"], other, bounced, "2021-03-05"),
        ):
            actor.does(
                "enterprise",
                f"whistles/{item['id']}/propose-plan",
                {
                    "plan": "容缺受理，并联审批。",
                    "steps": ["受理", "现场核查", "发证"],
                    "promised_on": promised,
                },
            )
            owner.does("enterprise", f"whistles/{item['id']}/agree-plan")
        for one_case in (case, bounced_case):
            self.check("confirmed", self.waits_for_stop(one_case, "resolve_or_confirm")["verdict"], "in_time")
        self.tell(
            "两家企业同意服务方案：3个工作日内服务确认。",
            "Both enterprises agree to a plan within 3 working days.",
        )
        self.raised = (
            (whistle, case, self.heads["spj"], one),
            (bounced, bounced_case, self.heads["nmj"], other),
        )

    def slow_twice(self) -> None:
        """A task is missed, round 1 unsigned, round 2 slow."""
        self.chapter("两轮督办仍然缓慢（措施10）", "Two slow supervisions (measure 10)")
        task = self.tasks["12"]
        self.case = self.waits_for_case(subject_id=task["id"])
        clock = self.clock(self.case, "task_due")
        self.check("due", clock["due_on"], "2021-02-07")
        warned = self.heads["yjj"].waits_for(
            "notify",
            f"notices?level=approaching&case_id={self.case}",
            lambda body: next((one for one in body["items"] if one["clock"] == "task_due"), None),
            "the yellow notice",
        )
        self.waits_for_miss(self.case, "task_due")
        first = self.waits_for_round(self.case, 1)
        self.check("round 1 due", first["due_on"], "2021-02-18")
        self.tell(
            f"第12项（{self.unit('yjj')}牵头）：{self.local(warned['issued_at'])} 黄色提醒，{clock['due_on']} 到期未办结；"
            f"第1轮督办，{first['due_on']}（春节后）前由主要负责人签字答复。",
            f"Task 12 of yjj: warned {self.local(warned['issued_at'])}, missed {clock['due_on']}; round 1 wants an answer signed by the main head "
            f"by {first['due_on']}, after the Spring Festival.",
        )
        reason = self.refused(
            self.second,
            "supervision",
            f"cases/{self.case}/issue-round",
            {"requirement": "请再次说明。"},
            "round-not-concluded",
        )
        self.tell(
            f"第1轮未认定就发第2轮，被拒绝：{reason}",
            f"Round 2 before round 1 is concluded is refused: {reason}",
        )
        self.heads["yjj"].does(
            "supervision", f"cases/{self.case}/rounds/1/answer", {"text": "流程修订初稿正在征求意见。"}
        )
        reason = self.refused(
            self.second, "supervision", f"cases/{self.case}/rounds/1/sign", {}, "only-the-main-head-signs"
        )
        self.tell(f"他人代签，被拒绝：{reason}", f"A signature by somebody else is refused: {reason}")
        self.stage.step("2021-02-19 09:00")
        second = self.waits_for_round(self.case, 2)
        shown = self.inspector.sees("supervision", f"cases/{self.case}")["round_list"][0]
        self.check("round 1", (shown["verdict"], shown["unsigned"]), ("slow", True))
        self.tell(
            f"有答复、无签字，第1轮按缓慢认定；第2轮发出，时限 {second['due_on']}。",
            f"Answered but unsigned: round 1 counts as slow; round 2 is issued, due {second['due_on']}.",
        )
        self.stage.step("2021-02-22 16:00")
        self.heads["yjj"].does(
            "supervision", f"cases/{self.case}/rounds/2/answer", {"text": "已完成1项修订，其余2项未启动。"}
        )
        self.heads["yjj"].does("supervision", f"cases/{self.case}/rounds/2/sign")
        self.stage.step("2021-02-23 10:00")
        self.inspector.does(
            "supervision",
            f"cases/{self.case}/rounds/2/judge",
            {"verdict": "slow", "reason": "三项流程仅完成一项。"},
        )
        reason = self.refused(
            self.inspector,
            "supervision",
            f"cases/{self.case}/rounds/2/verify-slow",
            {"agreed": True, "reason": "属实"},
            "verifying-ones-own-verdict",
        )
        self.tell(
            f"认定人自己复核，被拒绝：{reason}", f"Verified by whoever found it slow, it is refused: {reason}"
        )
        self.second.does(
            "supervision",
            f"cases/{self.case}/rounds/2/verify-slow",
            {"agreed": True, "reason": "与现场核实情况一致。"},
        )
        self.naming = self.inspector.waits_for(
            "supervision",
            f"namings?case_id={self.case}",
            lambda body: body["items"][0] if body["items"] else None,
            "the draft of the naming",
        )
        self.check("rounds of the naming", self.naming["rounds"], [1, 2])
        self.tell(
            "第2轮：主要负责人签字，督查室认定仍然缓慢，经第二人复核。连续两轮缓慢，通报自动起草。",
            "Round 2: signed by the main head, found slow, verified by a second person. Two in a row: a naming is drafted.",
        )
        self.escalation = self.leader.waits_for(
            "notify",
            f"escalations?case_id={self.case}",
            lambda body: next((one for one in body["items"] if one["state"] == "open"), None),
            "the escalation to the main leader",
        )
        self.tell(
            "两次督办后仍未解决：提请政府主要领导。",
            "Unresolved after the second supervision: the main leader is told.",
        )

    def named(self) -> None:
        """Second person, window, number 1 of 2021; reminded, acknowledged."""
        self.chapter("公开通报", "Publicly named")
        path = f"namings/{self.naming['id']}"
        reason = self.refused(self.inspector, "supervision", f"{path}/check", {}, "checking-ones-own-draft")
        self.tell(f"起草人自己核稿，被拒绝：{reason}", f"Checking one's own draft is refused: {reason}")
        self.stage.step("2021-02-24 08:45")
        reminded = self.leader.waits_for(
            "notify",
            f"escalations?case_id={self.case}",
            lambda body: next((one for one in body["items"] if one["reminders"] >= 1), None),
            "the first reminder",
        )
        self.tell(
            f"主要领导未批阅，第{reminded['reminders']}次提醒。",
            "Not acknowledged: the main leader is reminded.",
        )
        self.stage.step("2021-02-24 09:30")
        self.second.does("supervision", f"{path}/check")
        naming = self.inspector.waits_for(
            "supervision",
            path,
            lambda body: body if body["state"] == "checked" else None,
            "the checked draft",
        )
        self.check("window", naming["objections_until"], "2021-03-01")
        self.tell(
            f"第二人核稿；异议期至 {naming['objections_until']}。",
            f"A second person checks it; objections until {naming['objections_until']}.",
        )
        reason = self.refused(
            self.leader, "supervision", f"{path}/approve", {}, "objection-window-still-open"
        )
        self.tell(f"异议期内批准，被拒绝：{reason}", f"Approving within the window is refused: {reason}")
        self.leader.does(
            "notify", f"escalations/{self.escalation['id']}/acknowledge", {"note": "请分管领导督促。"}
        )
        self.tell("主要领导批阅：请分管领导督促。", "The main leader acknowledges.")

        self.stage.step("2021-02-24 15:00")
        extended = self.tasks["5"]
        self.heads["fgw"].does(
            "assignment",
            f"tasks/{extended['id']}/request-extension",
            {"new_due_on": "2021-03-31", "reason": "专班人员调整。"},
        )
        reason = self.refused(
            self.heads["fgw"], "assignment", f"tasks/{extended['id']}/grant-extension", {}, "role-may-not"
        )
        self.vice.does("assignment", f"tasks/{extended['id']}/grant-extension")
        case = self.waits_for_case(subject_id=extended["id"])
        clock = self.inspector.waits_for(
            "supervision",
            f"cases/{case}",
            lambda body: next((one for one in body["clocks"] if one["due_on"] == "2021-03-31"), None),
            "the extended clock",
        )
        self.check("original date", clock["original_due_on"], "2021-02-26")
        self.tell(
            f"第5项到期前申请延期，分管副旗长同意至 {clock['due_on']}；原时限 {clock['original_due_on']} 保留可见。",
            f"Task 5 asked in time and is extended to {clock['due_on']}; the original {clock['original_due_on']} stays visible.",
        )

        self.stage.step("2021-03-02 09:00")
        self.leader.does("supervision", f"{path}/approve")
        self.second.does("supervision", f"{path}/publish")
        naming = self.inspector.waits_for(
            "supervision",
            path,
            lambda body: body if body["state"] == "published" else None,
            "the published naming",
        )
        self.check("number", (naming["year"], naming["number"]), (2021, 1))
        self.tell(
            f"异议期满，主要领导批准，{naming['series']}〔{naming['year']}〕{naming['number']}号公开通报{self.unit('yjj')}。",
            f"The window has closed: approved and published as No. {naming['number']} of {naming['year']}.",
        )
        for line in naming["text"].splitlines():
            self.say(f"      │ {line}")

    def rectified(self) -> None:
        """Done at last; lifted; the whistles are rated."""
        self.chapter("整改销号", "Rectified")
        self.stage.step("2021-03-02 16:00")
        for whistle, case, head, owner in self.raised:
            head.does("enterprise", f"whistles/{whistle['id']}/resolve", {"result": "已办结发证。"})
            self.check("resolved", self.waits_for_stop(case, "hard_limit")["verdict"], "in_time")
            self.check("promise", self.waits_for_stop(case, "service_promise")["verdict"], "in_time")
            answer = head.tries(
                "enterprise",
                f"whistles/{whistle['id']}/rate",
                {"solved": True, "satisfied": True, "score": 5},
            )
            self.check("rating by the handler", answer.status, 403)
            owner.does(
                "enterprise",
                f"whistles/{whistle['id']}/rate",
                {"solved": True, "satisfied": True, "score": 5},
            )
        self.tell(
            "两件诉求30个工作日内办结；承办单位不能自评，由企业评价满意。",
            "Both whistles are resolved; only the enterprises rate them.",
        )
        self.complete("12", "2021-03-03 10:00")
        self.inspector.waits_for(
            "supervision", f"cases/{self.case}", lambda body: body["state"] == "closed", "the closed case"
        )
        self.second.does(
            "supervision", f"namings/{self.naming['id']}/lift", {"reason": "三项流程已全部修订印发。"}
        )
        self.leader.waits_for(
            "notify",
            f"escalations?case_id={self.case}",
            lambda body: all(one["state"] == "withdrawn" for one in body["items"]) and body["items"],
            "the withdrawn escalation",
        )
        self.tell(
            "应急管理局整改到位：第12项办结，通报撤销，对主要领导的提请撤回。",
            "yjj is done: accepted, lifted, the escalation withdrawn.",
        )

    def boards(self) -> None:
        """What the boards show."""
        self.chapter("看板", "Boards")
        tasks = self.inspector.sees("assignment", "tasks?limit=200")["items"]
        states = _count(task["state"] for task in tasks)
        self.say("  任务 tasks: " + ", ".join(f"{state} {number}" for state, number in states))
        clocks = self.pages("supervision", "clocks")
        verdicts = _count(str(clock["verdict"] or clock["state"]) for clock in clocks)
        self.say("  时限 clocks: " + ", ".join(f"{verdict} {number}" for verdict, number in verdicts))
        # shm-zone's arrangement, two feedbacks, task 12, and the answer of its round 1
        self.check("misses that stand", sum(clock["missed"] for clock in clocks), 5)
        rates = self.inspector.sees("enterprise", "whistle-rates?from=2021-02-01&until=2021-03-02")
        shown = {rate["id"]: (rate["numerator"], rate["denominator"]) for rate in rates["rates"]}
        self.say(
            "  诉求 whistles: " + ", ".join(f"{name} {over}/{under}" for name, (over, under) in shown.items())
        )
        namings = self.inspector.sees("supervision", "namings")["items"]
        self.check("namings", [(one["number"], one["state"]) for one in namings], [(1, "lifted")])
        self.say(f"  通报 namings: {len(namings)}（{namings[0]['state']}）")
        escalations = self.leader.sees("notify", "escalations")["items"]
        self.say(f"  提请 escalations: {len(escalations)}（{escalations[0]['state']}）")

    def reports(self) -> None:
        """A study trip and its report; a half month that all units but one report on."""
        self.chapter("考察报告和半月专报（措施9）", "Trip reports and half-month reports (measure 9)")
        head = self.heads["yjj"]
        trip = head.does(
            "supervision",
            "absences",
            {"kind": "study_trip", "first": "2021-03-04", "last": "2021-03-05", "purpose": "应急指挥考察"},
        )["id"]
        reason = self.refused(
            head, "supervision", f"absences/{trip}/submit-report", {"text": "提前写好"}, "no-trip-report-owed"
        )
        self.vice.does("supervision", f"absences/{trip}/approve")
        self.stage.step("2021-03-05 18:00")
        head.does("supervision", f"absences/{trip}/end")
        case = self.waits_for_case(subject_id=trip, number="考察2021-03-04")
        due = self.clock(case, "trip_report")["due_on"]
        self.check("trip report due", due, "2021-03-12")
        self.stage.step("2021-03-11 17:00")
        head.does("supervision", f"absences/{trip}/submit-report", {"text": "三条可借鉴的做法。"})
        self.check("trip report", self.waits_for_stop(case, "trip_report")["verdict"], "in_time")
        self.tell(
            f"应急管理局考察返岗，{due} 前交考察报告：按时。没去先交，被拒绝：{reason}",
            f"yjj is back from a study trip and reports by {due}: in time. Before the trip it was refused: {reason}",
        )
        self.stage.step("2021-03-31 17:00")
        owers = set(self.heads) - {"office", "inspect"}
        items = self.inspector.waits_for(
            "supervision",
            "duties?rule=half_month_report&first=2021-03-16&limit=200",
            lambda body: body["items"] if len(body["items"]) >= len(owers) else None,
            "the duties of the half month",
        )
        duties = {duty["unit"]: duty["id"] for duty in items}
        self.check("who owes a report", set(duties), owers)
        late = "shm-zone"
        for unit in duties:
            if unit != late:
                body = {"half_month": "2021-03-31", "nil": True}
                self.heads[unit].does("supervision", "half-month-reports", body)
        self.stage.step("2021-04-01 09:00")
        case = self.waits_for_case(subject_id=duties[late])
        missed = self.waits_for_miss(case, "half_month_report")
        self.heads[late].does(
            "supervision", "half-month-reports", {"half_month": "2021-03-31", "text": "补报。"}
        )
        self.check("late report", self.waits_for_stop(case, "half_month_report")["verdict"], "late")
        met = self.inspector.waits_for(
            "supervision",
            "duties?rule=half_month_report&first=2021-03-16&state=met&limit=200",
            lambda body: len(body["items"]) if len(body["items"]) == len(duties) else 0,
            "the met duties",
        )
        self.tell(
            f"3月下半月{met}个单位应报半月专报，{met - 1}个按时；{self.unit(late)}应于 {missed['due_on']} 前报送，补报算迟报。",
            f"{met} units owed a report on the second half of March, {met - 1} in time; {late} missed {missed['due_on']} and is late.",
        )

    # -- the same for several ------------------------------------------------------------------------------------

    def complete(self, number: str, when: str) -> None:
        """Supporters finish their parts, the lead claims, the supervision office (or for its own, the leader) accepts."""
        self.stage.step(when)
        task = self.tasks[number]
        for supporter in task["supporters"]:
            self.heads[supporter["unit"]].does("assignment", f"tasks/{task['id']}/support-done")
        self.heads[task["lead_unit"]].does(
            "assignment",
            f"tasks/{task['id']}/claim-completion",
            {"note": "目标已完成，附佐证材料。", "evidence": ["办结报告"]},
        )
        judge = self.leader if task["lead_unit"] == "inspect" else self.inspector
        judge.does("assignment", f"tasks/{task['id']}/accept-completion")

    def unit(self, unit: str) -> str:
        """The unit's short name."""
        return SHORT.get(unit, unit)

    def local(self, text: str) -> str:
        """A moment in Beijing time."""
        return f"{datetime.fromisoformat(text).astimezone(moment('2021-01-01 00:00').tzinfo):%m-%d %H:%M}"

    def pages(self, service: str, path: str) -> list[dict[str, Any]]:
        """Every item of a list."""
        items: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.inspector.sees(service, f"{path}?limit=200{cursor}")
            items += page["items"]
            if page["next"] is None:
                return items
            cursor = f"&cursor={page['next']}"

    def waits_for_case(self, *, subject_id: str, unit: str = "", number: str = "") -> str:
        """The case that supervision opened about it; of several the unit's, or that of this number."""
        chosen = {"subject_id": subject_id, "unit": unit, "number": number}
        path = f"cases?{urlencode({name: value for name, value in chosen.items() if value})}"
        return str(
            self.inspector.waits_for(
                "supervision", path, lambda body: body["items"][0]["id"] if body["items"] else None, "a case"
            )
        )

    def clock(self, case: str, name: str) -> dict[str, Any]:
        """A case's clock in its last cycle."""
        return dict(
            self.inspector.waits_for(
                "supervision",
                f"cases/{case}",
                lambda body: next((one for one in reversed(body["clocks"]) if one["clock"] == name), None),
                f"the clock {name}",
            )
        )

    def waits_for_stop(self, case: str, name: str) -> dict[str, Any]:
        """The clock, stopped."""
        return self._waits_for_clock(case, name, lambda one: one["verdict"] is not None, "stopped")

    def waits_for_miss(self, case: str, name: str) -> dict[str, Any]:
        """The clock, missed."""
        return self._waits_for_clock(case, name, lambda one: bool(one["missed"]), "missed")

    def _waits_for_clock(
        self, case: str, name: str, wanted: Callable[[dict[str, Any]], bool], what: str
    ) -> dict[str, Any]:
        return dict(
            self.inspector.waits_for(
                "supervision",
                f"cases/{case}",
                lambda body: next(
                    (one for one in reversed(body["clocks"]) if one["clock"] == name and wanted(one)), None
                ),
                f"the clock {name} {what}",
            )
        )

    def waits_for_round(self, case: str, number: int) -> dict[str, Any]:
        """A round that the suite issued."""
        return dict(
            self.inspector.waits_for(
                "supervision",
                f"cases/{case}",
                lambda body: next((one for one in body["round_list"] if one["round"] == number), None),
                f"round {number}",
            )
        )


SHORT = {
    "fgw": "发改委",
    "spj": "审批局",
    "zrj": "自然资源局",
    "shm-zone": "上海庙开发区管委会",
    "slj": "水利局",
    "jtj": "交通局",
    "nmj": "农牧局",
    "yjj": "应急管理局",
}


def _count(words: Iterable[str]) -> list[tuple[str, int]]:
    found: dict[str, int] = {}
    for word in words:
        found[word] = found.get(word, 0) + 1
    return sorted(found.items())
