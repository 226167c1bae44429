"""In every state of every lifecycle somebody is told, or a clock runs (domain.md §4.9)."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from services.suite import SUITE
from shared.domain.case_id import case_id
from shared.rulebook import load_rulebook
from shared.testing import Opened, StoppedClock, shanghai
from tests.test_order import Suite

OPEN = ("open", "paused")


class Waiting(NamedTuple):
    """A state of a thing in which somebody has to act, and the clocks of which one runs meanwhile."""

    what: str
    service: str
    view: str
    holds: Callable[[Any], Any]
    case: Callable[[Any], UUID]
    clocks: tuple[str, ...]


def case_of(kind: Any, *parts: str) -> Callable[[Any], UUID]:
    return lambda row: case_id(kind, UUID(row["id"]), *parts)


def own_case(row: Any) -> UUID:
    return UUID(row["case_id"])


def task(what: str, holds: Callable[[Any], Any], *clocks: str) -> Waiting:
    return Waiting(
        what, "assignment", "tasks", lambda row: row["ended"] is None and holds(row), case_of("task"), clocks
    )


def whistle(what: str, states: tuple[str, ...], *clocks: str) -> Waiting:
    return Waiting(
        what, "enterprise", "whistles", lambda row: row["state"] in states, case_of("whistle"), clocks
    )


WAITING = (
    task(
        "a task is to be done",
        lambda row: not row["completed"] and not row["suspended"] and not row["claimed_at"],
        "task_due",
    ),
    task("a task was returned", lambda row: row["returned"] and not row["suspended"], "reassign"),
    task("completion is claimed", lambda row: row["claimed_at"] and not row["completed"], "completion_check"),
    task("a leader's word is waited for", lambda row: row["completed"], "leader_word"),
    task("an extension is asked", lambda row: row["extension_request"], "extension_ruling"),
    task(
        "a dispute has no solution",
        lambda row: row["dispute"] and not row["dispute"]["solution"],
        "dispute_solution",
    ),
    task(
        "a solution waits for the ruling",
        lambda row: row["dispute"] and row["dispute"]["solution"],
        "dispute_ruling",
    ),
    task("a task is suspended", lambda row: row["suspended"], "suspension_review"),
    Waiting(
        "a dissolved unit's duty waits for a leader",
        "assignment",
        "directives",
        lambda row: row["referred"],
        lambda row: case_id("duty", UUID(row["id"]), "arrange", *row["referred"]),
        ("duty_reassign",),
    ),
    whistle(
        "a whistle is to be routed or contacted",
        ("raised", "routed"),
        "contact",
        "resolve_or_confirm",
        "hard_limit",
    ),
    whistle(
        "a whistle is to be resolved",
        ("contacted", "plan_proposed", "rework"),
        "resolve_or_confirm",
        "hard_limit",
    ),
    whistle("a service is promised", ("confirmed",), "service_promise"),
    whistle("infeasibility is claimed", ("infeasibility_claimed",), "infeasibility_review"),
    Waiting(
        "an answer is waited for",
        "supervision",
        "rounds",
        lambda row: row["state"] in ("issued", "answered"),
        own_case,
        ("round_answer",),
    ),
    Waiting(
        "a signed answer is to be judged",
        "supervision",
        "rounds",
        lambda row: row["state"] in ("signed", "proposed"),
        own_case,
        ("round_judgement",),
    ),
    Waiting(
        "an objection is to be ruled on",
        "supervision",
        "rounds",
        lambda row: row["state"] == "objected",
        own_case,
        ("objection_ruling",),
    ),
    Waiting(
        "a naming is to be checked",
        "supervision",
        "namings",
        lambda row: row["state"] == "drafted",
        case_of("naming"),
        ("naming_check",),
    ),
    Waiting(
        "a naming is to be approved",
        "supervision",
        "namings",
        lambda row: row["state"] == "checked",
        case_of("naming"),
        ("naming_approval",),
    ),
    Waiting(
        "an objection to a naming waits",
        "supervision",
        "namings",
        lambda row: row["state"] == "checked" and row["objection"] and row["objection_upheld"] is None,
        case_of("naming"),
        ("naming_ruling",),
    ),
    Waiting(
        "a naming is to be published",
        "supervision",
        "namings",
        lambda row: row["state"] == "approved",
        case_of("naming"),
        ("naming_publication",),
    ),
    Waiting(
        "an absence is to be approved",
        "supervision",
        "absences",
        lambda row: row["state"] == "requested",
        case_of("trip", "approval"),
        ("absence_approval",),
    ),
    Waiting(
        "a drafted calendar is to be released",
        "supervision",
        "calendar_drafts",
        lambda row: row["state"] == "drafted",
        case_of("release", "second_person"),
        ("calendar_release",),
    ),
    Waiting(
        "a late entry is to be confirmed",
        "supervision",
        "clocks",
        lambda row: row["claim"] == "waiting",
        own_case,
        ("late_entry",),
    ),
    Waiting(
        "a duty is to be met",
        "supervision",
        "duties",
        lambda row: row["state"] == "open",
        case_of("period"),
        ("half_month_report",),
    ),
)
"""Every state in which somebody has to act. What waits for nobody: an approved absence, what has ended, a whistle that
waits for its enterprise's rating, whose window the enterprise service closes by itself."""

STARTED = {rule.id for rule in load_rulebook() if "started" in rule.ladder}


class Watched(Suite):
    """The story, watched after every command."""

    seen: set[str]
    lacking: list[tuple[str, str]]

    def do(self, *args: Any, **what: Any) -> Any:
        done = super().do(*args, **what)
        self.opened.settle()
        self.look()
        return done

    def look(self) -> None:
        clocks = self.opened.rows("supervision", "clocks")
        notices = self.opened.rows("notify", "notices").values()
        told = {
            (one["case_id"], one["clock"], one["cycle"])
            for one in notices
            if one["level"] == "started" and one["state"] != "withdrawn"
        }
        running: dict[str, set[str]] = {}
        for row in clocks.values():
            if row["state"] in OPEN and not row["silent"]:
                running.setdefault(row["case_id"], set()).add(row["clock"])
                if row["clock"] in STARTED and (row["case_id"], row["clock"], row["cycle"]) not in told:
                    self.lacking.append(("nobody was told", row["clock"]))
        for state in WAITING:
            for row in self.waiting_in(state):
                self.seen.add(state.what)
                if not running.get(str(state.case(row)), set()) & {*state.clocks}:
                    self.lacking.append((state.what, row["id"]))

    def waiting_in(self, state: Waiting) -> Iterator[Any]:
        rows = self.opened.rows(state.service, state.view).values()
        return (row for row in rows if state.holds(row))


def test_in_no_state_everybody_waits_and_nobody_knows(tmp_path: Path) -> None:
    clock = StoppedClock(shanghai("2021-01-04 09:00"))
    with Opened(tmp_path, clock, *SUITE.values()) as opened:
        suite = Watched(opened, clock)
        suite.seen, suite.lacking = set(), []
        suite.run()
        assert suite.lacking == []
        assert {state.what for state in WAITING} - suite.seen == set(), "the story reaches every state"
