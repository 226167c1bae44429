"""The suite as of a moment: every log is copied up to it into an empty folder and folded there (溯源快照).

One mechanism answers as-of, replay, diff and recount. Reactions, clocks and deliveries never run in a Past, and it
writes nothing to the live suite.
"""

import contextvars
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, Self

import msgspec
from eventsourcing.persistence import Notification
from flask import Flask
from werkzeug.exceptions import HTTPException

from services.cli.options import Progress
from services.suite import SUITE
from shared.application.application import Application
from shared.database.files import connect_file
from shared.domain.refusal import Refusal
from shared.domain.roles import Role
from shared.events.audit import AuditAccessed
from shared.events.base import Message, Moment
from shared.events.supervision import RulebookReleased
from shared.log.codec import decode
from shared.log.recorder import LogRecorder, rows_of
from shared.messaging.parked import Parked
from shared.personal_data.master import master_path
from shared.process.config import Config
from shared.process.scratch import discard, scratch
from shared.runtime.event_log import open_log
from shared.runtime.opening import Runtime, open_service
from shared.web.auth import Identity, issue_token, load_key

KEPT = 3
"""Pasts that a process caches."""
BUSY_SECONDS = 60.0
"""Seconds that a question waits for the one before."""
EFFECTS_FIRST = ("notify", "supervision", "enterprise", "assignment")
"""The order in which logs are copied while the suite writes on: no effect is copied without its cause."""


class MomentHasNotCome(Refusal):
    """所问时点 {at} 晚于现在，尚无事实可查。
    The moment {at} is later than now: there are no facts about it yet."""

    status = 422


class NoSuchAnswer(Refusal):
    """{path} 不是本系统可以读取的地址。
    {path} is nothing that this suite can be asked for."""

    status = 422
    field = "path"


class AnswerIsAFile(Refusal):
    """{path} 的答复是文件，不是 JSON，不能这样查。
    What {path} answers is a file and no JSON: it cannot be asked for like this."""

    status = 422
    field = "path"


class FactsDoNotMakeAWhole(Refusal):
    """按 {at} 截取的事实前后不接（后发生的事先登记），{path} 答不出；请按登记时点查询。
    The facts up to {at} do not follow from each other (a later one happened earlier): {path} has no answer.
    """

    status = 409
    field = "path"


class NothingToCompare(Refusal):
    """截至 {at}，日志中没有任何事实，无从比较。
    Up to {at} the logs hold no facts: there is nothing to compare."""

    status = 409


class AnotherQuestionIsBeingAnswered(Refusal):
    """正在回答另一个审计问题，请稍后再试。
    Another of the auditors' questions is being answered: try again in a moment."""

    status = 503
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "10"}


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Which facts count (截止时点): those recorded by a moment, those that had happened by one, or both.

    By happened time a fact counts if it and the first fact of its aggregate had happened by then, of all that was
    recorded by ``recorded`` (default: of all that is recorded now). At least one is given.
    """

    recorded: datetime | None = None
    happened: datetime | None = None

    @property
    def at(self) -> datetime:
        """Where the Past's clock stands."""
        moment = self.happened or self.recorded
        assert moment is not None, "a cut has a moment"
        return moment

    def holds(self, recorded: datetime, happened: datetime) -> bool:
        """Whether a fact with these times counts by itself."""
        return (self.recorded is None or recorded <= self.recorded) and (
            self.happened is None or happened <= self.happened
        )

    def must_have_come(self, now: datetime) -> None:
        """Raises MomentHasNotCome."""
        for moment in (self.recorded, self.happened):
            if moment is not None and moment > now:
                raise MomentHasNotCome(at=moment)

    def about(self) -> dict[str, str]:
        """The cut as the record of an access names it."""
        named = {"recorded": self.recorded, "happened": self.happened}
        return {name: moment.isoformat() for name, moment in named.items() if moment is not None}


class Times(msgspec.Struct):
    """The two times of a stored fact, read without the rest of it."""

    timestamp: Moment
    happened_at: Moment


_times: "msgspec.json.Decoder[Times]" = msgspec.json.Decoder(Times)

Holds = Callable[[Notification], bool]


def holding(cut: Cut) -> Holds:
    """A filter for the rows of one log, called in log order."""
    unborn: set[object] = set()

    def holds(row: Notification) -> bool:
        if row.topic == AuditAccessed.TOPIC or row.originator_id in unborn:
            return False  # accesses of auditors change no view
        times = _times.decode(row.state)
        held = cut.holds(times.timestamp, times.happened_at)
        if not held and row.originator_version == 1:
            unborn.add(row.originator_id)
        return held

    return holds


def copy_log(
    log: LogRecorder, service: str, config: Config, holds: Holds, passed: Callable[[int], None]
) -> int:
    """Copy what ``holds`` of a log into the folder of ``config``; the last position that was read.

    ``passed`` gets the number of rows read. Positions are kept; an aggregate's versions are renumbered where facts
    are left out.
    """
    (config.data / service).mkdir(parents=True, exist_ok=True)
    open_log(config, service, lambda: datetime.max, create=True).close()
    versions: dict[Any, int] = {}
    seen = count = 0
    into = connect_file(config.data / service / "events.sqlite", isolation_level=None)
    try:
        into.execute("PRAGMA synchronous=OFF")  # a temporary copy
        into.execute("BEGIN")
        for batch in rows_of(log):
            kept = []
            for row in batch:
                if holds(row):
                    key = row.originator_id
                    versions[key] = version = versions.get(key, 0) + 1
                    hexed = key.hex if hasattr(key, "hex") else str(key).replace("-", "")
                    kept.append((row.id, hexed, version, row.topic, row.state))
            into.executemany(
                "INSERT INTO stored_events (rowid, originator_id, originator_version, topic, state) "
                "VALUES (?,?,?,?,?)",
                kept,
            )
            seen, count = batch[-1].id, count + len(batch)
            passed(count)
        into.execute("COMMIT")
    finally:
        into.close()
    return seen


@dataclass(frozen=True)
class Answer:
    """What an HTTP address of a service answers."""

    service: str
    status: int
    content_type: str
    body: bytes
    not_folded: int = 0
    """Facts that could not be folded: each depends on one that is left out."""

    @property
    def json(self) -> Any:
        """The body's content."""
        return msgspec.json.decode(self.body)


def web_for(path: str, webs: Mapping[str, Flask]) -> str:
    """The service that knows a GET of this path. Raises NoSuchAnswer."""
    if path.startswith("/api/v1/"):
        for name, web in webs.items():
            try:
                web.url_map.bind("localhost").match(path.partition("?")[0], method="GET")
            except HTTPException:
                continue
            return name
    raise NoSuchAnswer(path=path)


def ask(web: Flask, service: str, path: str, identity: Identity, config: Config, now: datetime) -> Answer:
    """What a service's own HTTP face answers to a GET by this identity. Raises AnswerIsAFile."""
    token = issue_token(
        load_key(config.data),
        post=identity.post,
        unit=identity.unit,
        role=identity.role,
        subject=identity.subject,
        now=now,
        lifetime=timedelta(hours=1),
        issuer=config.token_issuer,
        audience=config.token_audience,
    )

    def get() -> Answer:
        found = web.test_client().get(
            path, headers={"Authorization": f"Bearer {token}", "Accept-Language": config.language}
        )
        return Answer(service, found.status_code, found.content_type, found.get_data())

    answer: Answer = contextvars.copy_context().run(get)  # keeps the caller's log context
    if "json" not in answer.content_type:
        raise AnswerIsAFile(path=path)
    return answer


@dataclass
class Past:
    """The suite as of a cut: four services over their cut logs, read models folded, nothing else running."""

    cut: Cut
    folder: Path
    config: Config
    runtimes: Mapping[str, Runtime]
    heads: dict[str, int]
    """The last position read of each live log."""
    holds: Mapping[str, Holds]

    @classmethod
    def open(
        cls,
        config: Config,
        logs: Mapping[str, Application],
        cut: Cut,
        progress: Progress | None = None,
        folder: Path | None = None,
    ) -> Self:
        """Copy and fold. ``logs``: every service's live log. ``folder``: an empty one, which then stays."""
        tell = progress or (lambda what, done: None)
        where = scratch() if folder is None else folder
        past = cls(cut, where, scratch_config(config, where), {}, {}, {})
        try:
            past.holds = {name: holding(cut) for name in logs}
            for name in EFFECTS_FIRST:
                past.heads[name] = copy_log(
                    logs[name].log, name, past.config, past.holds[name], partial(tell, f"copy {name}")
                )
            past.config = with_its_rulebook(past.config)
            past.runtimes = {
                name: open_service(service, past.config, lambda: cut.at) for name, service in SUITE.items()
            }
            for runtime in past.runtimes.values():
                fold(runtime, tell)
        except BaseException:
            past.close(remove=folder is None)
            raise
        return past

    def must_hold_facts(self) -> None:
        """Raises NothingToCompare."""
        if not any(runtime.app.log.max_notification_id() for runtime in self.runtimes.values()):
            raise NothingToCompare(at=self.cut.at)

    def close(self, *, remove: bool = True) -> None:
        """Close it and delete the folder."""
        for runtime in self.runtimes.values():
            runtime.close()
        if remove:
            discard(self.folder)

    def still_is(self, logs: Mapping[str, Application]) -> bool:
        """Whether nothing that belongs to it was recorded since."""
        for name, application in logs.items():
            for batch in rows_of(application.log, self.heads[name]):
                if any(self.holds[name](row) for row in batch):
                    return False
                self.heads[name] = batch[-1].id
        return True

    def cut_holds(self, message: Message) -> bool:
        """Whether a fact counts here by its own times."""
        return self.cut.holds(message.fact.timestamp, message.fact.happened_at)

    @cached_property
    def webs(self) -> dict[str, Flask]:
        """The services' HTTP faces."""
        return {name: runtime.web() for name, runtime in self.runtimes.items()}

    def answer(self, path: str, identity: Identity) -> Answer:
        """What a GET of ``path`` would have been answered then.

        Raises NoSuchAnswer, AnswerIsAFile, and FactsDoNotMakeAWhole where an aggregate's later fact had happened and
        an earlier one had not.
        """
        service = web_for(path, self.webs)
        answer = ask(self.webs[service], service, path, identity, self.config, self.cut.at)
        # By recorded time nothing is left out: a failure is then a fault, and shown as one.
        if answer.status >= 500 and self.cut.happened is not None:
            raise FactsDoNotMakeAWhole(at=self.cut.at, path=path)
        return replace(answer, not_folded=len(self.parked()))

    def parked(self) -> list[tuple[str, Parked]]:
        """What the read models could not fold, with their service."""
        return [(name, row) for name, runtime in self.runtimes.items() for row in runtime.views.parked()]


def scratch_config(config: Config, folder: Path) -> Config:
    """The configuration of a Past: files in its own folder, nobody to wait for; persons' keys are those of today."""
    return replace(
        config,
        data=folder,
        database="",
        kafka="",
        read_wait_seconds=0.0,
        without_post=",".join(Role),  # whoever asks was let in by the post that they hold today
        clock="system",
        keys=str(config.keys_place),
        master_key=master_path(config),
    )


def with_its_rulebook(config: Config) -> Config:
    """The configuration with the last rulebook that is released in the folder's log, if there is one."""
    log = open_log(config, "supervision", lambda: datetime.max)
    try:
        rows = log.log.select_notifications(start=None, limit=100_000, topics=[RulebookReleased.TOPIC])
        if not rows:
            return config
        last = decode(rows[-1].topic, rows[-1].state)
        assert isinstance(last, RulebookReleased)
        path = config.data / "rulebook.csv"
        path.write_text(last.text, "utf-8")
        return replace(config, rulebook=path)
    finally:
        log.close()


def fold(runtime: Runtime, tell: Progress) -> None:
    """Project a service's read models to the end of the logs. Raises ConsumerStopped."""
    while runtime.views.project(runtime.follower):
        tell(f"fold {runtime.service.name}", 0)


class Pasts:
    """The Pasts of one process: one is made or asked at a time, the last few are kept."""

    def __init__(self, config: Config, logs: Mapping[str, Application], now: Callable[[], datetime]) -> None:
        self.config, self.logs, self._now = config, logs, now
        self._kept: dict[Cut, Past] = {}
        self._lock = threading.RLock()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Exclusive use. Raises AnotherQuestionIsBeingAnswered."""
        if not self._lock.acquire(timeout=BUSY_SECONDS):
            raise AnotherQuestionIsBeingAnswered()
        try:
            yield
        finally:
            self._lock.release()

    def at(self, cut: Cut, progress: Progress | None = None) -> Past:
        """The Past at this cut, to be used within ``alone``. Raises MomentHasNotCome."""
        cut.must_have_come(self._now())
        past = self._kept.pop(cut, None)
        if past is not None and not past.still_is(self.logs):
            past.close()
            past = None
        if past is None:
            while len(self._kept) >= KEPT:
                self._kept.pop(next(iter(self._kept))).close()
            past = Past.open(self.config, self.logs, cut, progress)
        self._kept[cut] = past
        return past

    def close(self) -> None:
        """Close all."""
        for past in self._kept.values():
            past.close()
        self._kept.clear()
