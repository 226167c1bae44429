"""The questions of auditors: the access is recorded in every log that is read, then answered.

The command line and HTTP (``web.py``) ask the same here.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.tree import Tree

from services.audit import audit
from services.audit.diff import changes, otherwise
from services.audit.figures import Asked, figure
from services.audit.past import Answer, Cut, Pasts
from services.audit.recount import Recount, path_of, recount
from services.audit.replay import Replayed, replay
from services.audit.why import Facts, Node, Why, why
from services.cli.options import (
    Data,
    Id,
    Instant,
    Line,
    Progress,
    config_of,
    ended_in_order,
    must_hold_logs,
    seen,
)
from services.suite import SUITE
from shared.audit.access import act_of, record_access
from shared.domain.clock import SHANGHAI, Clock
from shared.domain.refusal import Refusal
from shared.domain.roles import ALL_SEEING, Role
from shared.domain.words import Enumerated, moment_said, said, titles
from shared.personal_data.keystore import KeyStore
from shared.process import logs
from shared.process.config import Config
from shared.process.scratch import discard, remove_leftovers, scratch
from shared.runtime.event_log import open_log
from shared.web.auth import Identity

TIMEOUT = 300.0
"""Seconds of one wait for the database while whole logs are read."""

PAPER = 400
"""Columns of a tree that is written to a file."""


class DiffNeedsTwoMoments(Refusal):
    """比对的前一时点 {since} 须早于后一时点 {until}。
    The first of the two moments, {since}, must be before the second, {until}."""

    status = 422
    field = "until"


class Questions:
    """The state of a process that answers questions: the four logs, cached Pasts and facts."""

    def __init__(self, config: Config, clock: Clock) -> None:
        must_hold_logs(config)
        self.config, self.clock = config, clock
        self.logs = {name: open_log(config, name, clock) for name in SUITE}
        self.pasts = Pasts(config, self.logs, clock)
        self.personal_data = KeyStore(config, clock)
        self._facts = Facts()

    def close(self) -> None:
        """Close files and connections."""
        self.pasts.close()
        self.personal_data.close()
        for application in self.logs.values():
            application.close()

    def away(self) -> list[str]:
        """Reads something of every log. Raises UNAVAILABLE."""
        for application in self.logs.values():
            application.log.max_notification_id()
        return []

    def record(self, identity: Identity, question: str, about: Mapping[str, str | None]) -> None:
        """Record the access in every log, with a new request id each time."""
        act = act_of(identity, self.clock())
        subject = {name: value for name, value in about.items() if value is not None}
        for application in self.logs.values():
            record_access(application, act, question, subject)

    def as_of(self, identity: Identity, path: str, cut: Cut, progress: Progress | None = None) -> Answer:
        """What a GET of ``path`` would have been answered then.

        Raises MomentHasNotCome, NoSuchAnswer, AnswerIsAFile, AnotherQuestionIsBeingAnswered.
        """
        cut.must_have_come(self.clock())
        self.record(identity, "as-of", {"path": path, **cut.about()})
        with self.pasts.alone():
            return self.pasts.at(cut, progress).answer(path, identity)

    def why(self, identity: Identity, subject: str, language: str, progress: Progress | None = None) -> Why:
        """The chain behind a subject. Raises what ``why.why`` and ``figures.figure`` raise."""
        asked = Asked.read(subject) if subject.startswith("rate:") else None
        self.record(identity, "why", {"subject": subject})
        cleared = identity.role in ALL_SEEING
        with self.pasts.alone():
            facts = self._read_on()
            if asked is None:
                return why(facts, subject, cleared=cleared, language=language)
            past = self.pasts.at(Cut(recorded=asked.as_of or self.clock()), progress)
            return figure(past, facts, asked, cleared=cleared, language=language)

    def diff(
        self,
        identity: Identity,
        since: Cut,
        until: Cut,
        *,
        item: str | None = None,
        unit: str | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """What changed from one moment to another.

        Raises DiffNeedsTwoMoments, MomentHasNotCome, NothingToCompare.
        """
        if since.at >= until.at:
            raise DiffNeedsTwoMoments(since=since.at, until=until.at)
        until.must_have_come(self.clock())
        about = {"since": since.at.isoformat(), "until": until.at.isoformat(), "item": item, "unit": unit}
        self.record(identity, "diff", about)
        cleared = identity.role in ALL_SEEING
        with self.pasts.alone():
            facts = self._read_on()
            before, after = self.pasts.at(since, progress), self.pasts.at(until, progress)
            after.must_hold_facts()
            changed = changes(before, after, identity.role, self.personal_data, item=item, unit=unit)
            whole = item is None and unit is None
            judged = otherwise(before, after, facts, None if whole else changed, cleared=cleared)
        return {
            "since": since.at.isoformat(),
            "until": until.at.isoformat(),
            "by": "recorded" if since.happened is None else "happened",
            "item": item,
            "unit": unit,
            "changes": [one.plain() for one in changed],
            "judged_otherwise": [one.plain() for one in judged],
        }

    def replay(
        self,
        identity: Identity,
        service: str | None,
        into: Path | None = None,
        progress: Progress | None = None,
    ) -> Replayed:
        """Fold the logs and compare with the live read models.

        Raises FolderIsNotEmpty, ReadModelsAreMissing, ReadModelsAreIncomplete, ViewIsBeingBuilt,
        AnotherQuestionIsBeingAnswered.
        """
        self.record(identity, "replay", {"service": service})
        where = scratch() if into is None else into
        try:
            with self.pasts.alone():
                services = list(SUITE) if service is None else [service]
                return replay(self.config, self.logs, where, services=services, progress=progress)
        finally:
            if into is None:
                discard(where)

    def recount(self, identity: Identity, subject: str, as_of: datetime | None) -> Recount:
        """Recount a figure, list or naming and compare with the published one. Raises what ``recount`` raises."""
        path_of(subject)
        now = self.clock()
        if as_of is not None:
            Cut(recorded=as_of).must_have_come(now)
        about = {"subject": subject, "as_of": None if as_of is None else as_of.isoformat()}
        self.record(identity, "recount", about)
        with self.pasts.alone():
            return recount(
                subject,
                as_of,
                pasts=self.pasts,
                facts=self._read_on(),
                identity=identity,
                now=now,
                cleared=identity.role in ALL_SEEING,
            )

    def _read_on(self) -> Facts:
        self._facts.read_on(self.logs)
        return self._facts


# -- the command line -----------------------------------------------------------------------------------------


def asked_by_command_line(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every question: where the suite's data is, and as whom one asks."""
    for option in (
        click.option(
            "--role",
            type=click.Choice([role.value for role in Role]),
            default=Role.auditor.value,
            show_default=True,
            help="以何种角色查看 With whose eyes: an auditor sees no secret items.",
        ),
        click.option(
            "--post",
            type=Id(80),
            default="audit/command-line",
            show_default=True,
            help="岗位 The post that asks.",
        ),
        Data,
    ):
        command = option(command)
    return command


@contextmanager
def asking(data: Path | None, post: str, role: str) -> Iterator[tuple[Questions, Identity]]:
    """The questions, and who asks them on the command line."""
    config = config_of(data)
    logs.configure(os.environ.get("DUBAN_LOG_LEVEL", "error"))
    remove_leftovers()
    with ended_in_order(), closing(Questions(config, config.make_clock())) as questions:
        yield questions, Identity(post, post, post.partition("/")[0], Role(role))


def _cut(recorded: datetime | None, happened: datetime | None, now: datetime) -> Cut:
    return Cut(recorded=recorded if recorded or happened else now, happened=happened)


def _print(document: Any) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, indent=1, default=str))


@audit.command("as-of")
@asked_by_command_line
@click.argument("path", type=Line(2000))
@click.option("--recorded", type=Instant(), default=None, help="登记时间 Of what was recorded by then.")
@click.option("--happened", type=Instant(), default=None, help="发生时间 Of what had happened by then.")
def as_of_(
    data: Path | None,
    post: str,
    role: str,
    path: str,
    recorded: datetime | None,
    happened: datetime | None,
) -> None:
    """当时所见 What the suite would have answered to GET PATH (/api/v1/tasks?unit=fgw) at a moment; JSON."""
    with asking(data, post, role) as (questions, identity), seen() as progress:
        answer = questions.as_of(identity, path, _cut(recorded, happened, questions.clock()), progress)
    _print(answer.json)
    if answer.not_folded:
        click.echo(
            f"{answer.not_folded} 条事实未计入 facts are left aside: they rest on later ones", err=True
        )
    if answer.status >= 400:
        sys.exit(1)


@audit.command("why")
@asked_by_command_line
@click.argument("subject", type=Line(300))
@click.option("--json", "as_json", is_flag=True, help="JSON.")
@click.option("--dot", "as_dot", is_flag=True, help="Graphviz.")
@click.option("--days", is_flag=True, help="逐日说明全部时限 Explain every due date day by day.")
def why_(
    data: Path | None, post: str, role: str, subject: str, as_json: bool, as_dot: bool, days: bool
) -> None:
    """溯因 From SUBJECT back to the facts it rests on, and forward to what it led to.

    SUBJECT: naming:1/2021, task:12, whistle:W-2021-0001, case:ID, miss:CASE/CLOCK/CYCLE, round:CASE/1,
    due:CASE/CLOCK, escalation:CASE, event:SERVICE/AGGREGATE/VERSION,
    rate:contacted[/unit]@2021-02-01..2021-02-28[@as-of], rate:on_time.task_due@….
    """
    with asking(data, post, role) as (questions, identity), seen() as progress:
        found = questions.why(identity, subject, questions.config.language, progress)
    if as_json:
        _print(found.plain())
    elif as_dot:
        click.echo(found.dot(), nl=False)
    else:
        Console(width=None if sys.stdout.isatty() else PAPER).print(_tree(found, days))


def _tree(found: Why, days: bool) -> Tree:
    top = Tree(f"{found.subject}（北京时间 Beijing time）")
    if found.figure is not None:
        top.add(_figure(found.figure), highlight=False)
    for label, edges in (("依据 rests on", found.backward), ("后果 led to", found.forward)):
        branch = top.add(label) if edges else top
        seen_ids: set[str] = set()
        for root in found.roots:
            if root in edges:
                _grow(branch, found, edges, root, seen_ids, days)
    if found.more:
        top.add("……还有 and more")
    return top


def _figure(figure: Mapping[str, Any]) -> str:
    told = {
        **figure,
        "as_of": moment_said(datetime.fromisoformat(figure["as_of"]), "zh"),
        "exclusions": [f"{one['reason']} {one['count']}" for one in figure["exclusions"]],
    }
    parts = [
        f"{titles()['field', name].zh} {said(value, None, 'zh')}"
        for name, value in told.items()
        if name not in ("id", "items") and value not in (None, [])
    ]
    return f"{said(figure['id'], Enumerated((), 'id'), 'zh')}：{'，'.join(parts)}"


def _grow(
    branch: Tree, found: Why, edges: Mapping[str, list[str]], id_: str, seen_ids: set[str], days: bool
) -> None:
    node = found.nodes[id_]
    again = id_ in seen_ids
    grown = branch.add(_line(node) + (" ↑" if again else ""), highlight=False)
    if again:
        return
    seen_ids.add(id_)
    for line in node.due if days or (found.figure is None and id_ in found.roots) else ():
        grown.add(line.replace("[", "\\["))
    for other in edges.get(id_, ()):
        _grow(grown, found, edges, other, seen_ids, days)


def _line(node: Node) -> str:
    when = f"{node.happened_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
    if node.recorded_at != node.happened_at:
        when += f"（登记 {node.recorded_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}）"
    versions = [
        f"{name}{number}"
        for name, number in (("规则", node.rulebook_version), ("日历", node.calendar_version))
        if number is not None
    ]
    line = " ".join([when, node.name, node.says, *(versions), f"〔{node.post or '—'}〕", node.because])
    return line.replace("[", "\\[")


@audit.command("diff")
@asked_by_command_line
@click.argument("since", type=Instant())
@click.argument("until", type=Instant())
@click.option("--happened", is_flag=True, help="按发生时间 By the time of happening, not of recording.")
@click.option("--item", type=Line(160), default=None, help="只看一项 One item only: its number or id.")
@click.option("--unit", type=Id(80), default=None, help="只看一个单位 One unit only.")
@click.option("--json", "as_json", is_flag=True, help="JSON.")
def diff_(
    data: Path | None,
    post: str,
    role: str,
    since: datetime,
    until: datetime,
    happened: bool,
    item: str | None,
    unit: str | None,
    as_json: bool,
) -> None:
    """比对 What changed between the moments SINCE and UNTIL, and which judgements were taken otherwise."""
    cuts = [Cut(happened=at) if happened else Cut(recorded=at) for at in (since, until)]
    with asking(data, post, role) as (questions, identity), seen() as progress:
        found = questions.diff(identity, cuts[0], cuts[1], item=item, unit=unit, progress=progress)
    if as_json:
        _print(found)
        return
    for one in [*found["judged_otherwise"], *found["changes"]]:
        click.echo(one["says"])
    click.echo(f"{len(found['changes'])} 处不同 rows differ")


@audit.command("replay")
@asked_by_command_line
@click.option(
    "--service", type=click.Choice(list(SUITE)), default=None, help="只重放一个服务 One service only."
)
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="空文件夹 An empty folder, which then holds what was folded.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON.")
def replay_(
    data: Path | None, post: str, role: str, service: str | None, into: Path | None, as_json: bool
) -> None:
    """重放 Fold the logs anew and compare every read model with the live one; exit code 1 unless all is equal.

    Facts that the live read models have not received yet are not compared: so many are named, and it is not "equal".
    """
    with asking(data, post, role) as (questions, identity), seen() as progress:
        found = questions.replay(identity, service, into, progress)
    if as_json:
        _print(found.plain())
    else:
        for one in found.differences:
            for column, (live, replayed) in one.columns.items():
                click.echo(f"{one.service}.{one.view} {one.id} {column}: 在用 {live!r} ≠ 重放 {replayed!r}")
        click.echo(
            f"事件 {sum(found.events.values())} 条，{len(found.rows)} 个读模型 {sum(found.rows.values())} 行，"
            f"{len(found.differences)} 行不同  {len(found.differences)} rows differ"
        )
        for name, facts in found.behind.items():
            click.echo(f"{name}: 在用读模型还缺 {facts} 条事实，未比较 {facts} facts behind: not compared")
        if found.not_folded:
            click.echo(f"{found.not_folded} 条事实无法计入，未比较 facts could not be folded: not compared")
        if not found.facts:
            click.echo("没有可比较的事实 no facts: nothing was compared")
    if not found.equal:
        sys.exit(1)


@audit.command("recount")
@asked_by_command_line
@click.argument("subject", type=Line(2000))
@click.option("--as-of", "as_of", type=Instant(), default=None, help="时点 As of then (default: now).")
@click.option("--json", "as_json", is_flag=True, help="JSON.")
def recount_(
    data: Path | None, post: str, role: str, subject: str, as_of: datetime | None, as_json: bool
) -> None:
    """复算 SUBJECT from the events, against what is published; exit code 1 if a byte differs.

    SUBJECT: rate:2021-02-01..2021-02-28 (六项指标), on-time:2021-01-01..2021-03-31, board:tasks?state=closed,
    naming:1/2021.
    """
    with asking(data, post, role) as (questions, identity):
        found = questions.recount(identity, subject, as_of)
    if as_json:
        _print(found.plain())
    else:
        click.echo(found.recounted.decode())
        for at, published, recounted in found.differences:
            click.echo(f"{at}: 公布 {published!r} ≠ 复算 {recounted!r}", err=True)
        verdicts = {
            True: "与公布的逐字节一致 equal, byte for byte",
            False: "与公布的不一致 differs from what is published",
            None: "该时点没有可取的公布结果，未比较 nothing published for that moment can be asked for: not compared",
        }
        click.echo(verdicts[found.equal], err=True)
    if found.equal is False:
        sys.exit(1)
