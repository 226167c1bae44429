"""The suite as it was: as of a recorded moment, and as of a happened one."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from services.audit.past import AnswerIsAFile, Cut, MomentHasNotCome, NoSuchAnswer, Past
from services.suite import SUITE
from shared.audit.export import logged
from shared.audit.secrecy import withheld
from shared.events import notify
from shared.events.audit import AuditAccessed
from shared.runtime.event_log import open_log
from shared.testing import Caller, Opened, StoppedClock
from tests.audit.story import AUDITOR, LISTS, START, Told, told

# -- what the live suite answered then -----------------------------------------------------------------------------

PATHS = (
    *LISTS,
    "/api/v1/notices?limit=200",
    "/api/v1/escalations?limit=200",
    "/api/v1/digests?limit=200",
)
SERVICE_OF = dict(
    zip(
        PATHS,
        ["assignment", *["supervision"] * 4, "enterprise", "supervision", "enterprise", *["notify"] * 3],
        strict=True,
    )
)


class Watched(Told):
    """Somebody writes down what the suite answers before each step of its clock."""

    seen: dict[datetime, dict[str, bytes]]

    def at(self, moment: str) -> None:
        self.note()
        super().at(moment)

    def note(self) -> None:
        self.opened.settle()
        if "seen" not in vars(self):
            self.seen = {}
            self.callers: dict[str, Caller] = {
                name: self.opened.client(name, "auditor", "audit", "audit/auditor") for name in SUITE
            }
        self.seen[self.clock()] = {
            path: self.callers[SERVICE_OF[path]].get(path, **{"Accept-Language": "zh"}).get_data()
            for path in PATHS
        }


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    clock = StoppedClock(START)
    with Opened(tmp_path_factory.mktemp("watched"), clock, *SUITE.values()) as opened:
        suite = Watched(opened, clock)
        suite.run()
        suite.note()
        yield suite


def test_as_of_a_recorded_moment_is_byte_for_byte_what_was_answered_then(watched: Watched) -> None:
    assert len(watched.seen) >= 7
    changed = {path: {answers[path] for answers in watched.seen.values()} for path in PATHS}
    assert all(len(answers) > 2 for answers in changed.values()), "nothing moved: nothing is shown"
    logs = {name: runtime.app for name, runtime in watched.opened.runtimes.items()}
    for moment, answers in [*watched.seen.items()][::2]:
        past = Past.open(watched.opened.config, logs, Cut(recorded=moment))
        for path in PATHS:
            assert past.answer(path, AUDITOR).body == answers[path], (moment, path)
        past.close()
        assert not past.folder.exists()


# -- the edges ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    with told(tmp_path_factory.mktemp("told")) as suite:
        yield suite


def as_of(suite: Told, path: str, **cut: datetime) -> Any:
    return suite.questions.as_of(AUDITOR, path, Cut(**cut))


def test_a_fact_recorded_late_is_there_by_its_happening_and_not_by_its_recording(suite: Told) -> None:
    signed = next(
        fact
        for fact in suite.opened.log("supervision")
        if type(fact).__name__ == "RoundSigned" and fact.happened_at < fact.timestamp
    )
    between = signed.happened_at + (signed.timestamp - signed.happened_at) / 2
    path = "/api/v1/rounds?limit=200"

    def signatures(**cut: datetime) -> list[str]:
        return [row["signed_at"] for row in as_of(suite, path, **cut).json["items"] if row["signed_at"]]

    assert signed.happened_at.isoformat() not in signatures(recorded=between)
    assert signed.happened_at.isoformat() in signatures(happened=between)
    assert signed.happened_at.isoformat() not in signatures(happened=between, recorded=between)


def test_nobody_reads_the_future(suite: Told) -> None:
    for cut in ("recorded", "happened"):
        with pytest.raises(MomentHasNotCome):
            as_of(suite, "/api/v1/tasks", **{cut: suite.clock() + timedelta(seconds=1)})


@pytest.mark.parametrize(
    "path", ["/nix", "tasks", "/api/v1/nix", "/healthz", "http://elsewhere/api/v1/tasks"]
)
def test_only_what_the_suite_answers_can_be_asked(suite: Told, path: str) -> None:
    with pytest.raises(NoSuchAnswer):
        as_of(suite, path, recorded=suite.clock())


def test_a_file_is_not_shown_as_json(suite: Told) -> None:
    with pytest.raises(AnswerIsAFile):
        as_of(suite, "/api/v1/tasks/export", recorded=suite.clock())


def test_what_the_address_refuses_is_refused_in_its_own_words(suite: Told) -> None:
    answer = as_of(suite, "/api/v1/tasks?colour=red", recorded=suite.clock())
    assert answer.status == 422
    assert answer.json["errors"][0]["field"] == "colour"


def test_a_secret_item_stays_secret_in_the_past(suite: Told) -> None:
    rows = as_of(suite, "/api/v1/tasks?limit=200", recorded=suite.clock()).json["items"]
    assert rows
    assert "密1" not in {row["number"] for row in rows}


def test_of_notices_and_escalations_an_auditor_reads_what_an_export_would_show(suite: Told) -> None:
    logs = {name: partial(logged, runtime.app.log) for name, runtime in suite.opened.runtimes.items()}
    hidden = withheld(logs, "internal")["notify"]
    shown, secret = set(), set()
    escalated = {}
    for index, fact in enumerate(suite.opened.log("notify")):
        if isinstance(fact, notify.NoticeIssued | notify.DigestSent):
            (secret if index in hidden else shown).add(str(fact.notice_id))
        if isinstance(fact, notify.EscalationOpened):
            escalated[str(fact.originator_id)] = index in hidden  # type: ignore[attr-defined]
    assert shown
    assert secret
    live = suite.opened.client("notify", "auditor", "audit", "audit/auditor")

    def ids(path: str, ask: Callable[[str], Any]) -> list[str]:
        found, query = [], "?limit=200"
        while query:
            page = ask(f"/api/v1/{path}{query}").json
            found += [row["id"] for row in page["items"]]
            query = page["next"] and f"?limit=200&cursor={page['next']}"
        return found

    def then(path: str) -> Any:
        return as_of(suite, path, recorded=suite.clock())

    assert set(ids("notices", live.get)) == set(ids("notices", then)) == shown
    assert ids("escalations", live.get) == ids("escalations", then)
    assert set(ids("escalations", then)) == {id_ for id_, is_hidden in escalated.items() if not is_hidden}


def test_asking_writes_who_asked_into_every_log_and_nothing_else(suite: Told) -> None:
    before = {name: suite.opened.log(name) for name in SUITE}
    as_of(suite, "/api/v1/tasks", recorded=suite.clock())
    for name in SUITE:
        (added,) = suite.opened.log(name)[len(before[name]) :]
        assert isinstance(added, AuditAccessed)
        assert added.by.post == "audit/auditor"
        assert {one.name for one in added.about} == {"path", "recorded"}


def test_a_past_is_kept_until_something_is_recorded_that_belongs_to_it(suite: Told) -> None:
    pasts = suite.questions.pasts
    moment = suite.clock()
    first = pasts.at(Cut(recorded=moment))
    as_of(suite, "/api/v1/tasks", recorded=moment)  # its own record changes nothing that is seen
    assert pasts.at(Cut(recorded=moment)) is first
    suite.do("office/head", "assignment:task-lists", title="又一份清单", dated="2021-01-04")
    again = pasts.at(Cut(recorded=moment))
    assert again is not first
    assert not first.folder.exists()
    suite.clock.advance(minutes=1)
    suite.do("office/head", "assignment:task-lists", title="下一份清单", dated="2021-01-04")
    assert pasts.at(Cut(recorded=moment)) is again


def test_positions_stay_and_versions_have_no_holes(suite: Told) -> None:
    logs = {name: runtime.app for name, runtime in suite.opened.runtimes.items()}
    middle = START + timedelta(days=4)
    past = Past.open(suite.opened.config, logs, Cut(happened=middle))
    try:
        for name in SUITE:
            live = {row.id: row for row in logs[name].log.select_notifications(start=None, limit=100_000)}
            copied = open_log(past.config, name, suite.clock)
            rows = copied.log.select_notifications(start=None, limit=100_000)
            versions: Counter[object] = Counter()
            for row in rows:
                versions[row.originator_id] += 1
                assert row.originator_version == versions[row.originator_id]
                assert (row.topic, row.state) == (live[row.id].topic, live[row.id].state)
            assert len(rows) < len(live)
            copied.close()
    finally:
        past.close()
