"""What may not leave below a clearance: the secret item, all that follows from it, and whatever mentions it."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from shared.audit.export import logged
from shared.audit.secrecy import withheld
from tests.audit.story import told

SERVICES = ("assignment", "supervision", "enterprise", "notify")
LIST, TASK, CASE, NAMING, MATTER, DIGEST, OTHER = (UUID(int=n) for n in range(1, 8))


@dataclass(frozen=True)
class Event:
    aggregate_id: UUID
    topic: str
    state: bytes


def event(aggregate: UUID, topic: str, **said: object) -> Event:
    return Event(aggregate, topic, json.dumps(said, default=str).encode())


def below(clearance: str, **logs: list[Event]) -> dict[str, set[int]]:
    given: dict[str, Callable[[], Iterable[Event]]] = {
        service: lambda service=service: iter(logs.get(service, [])) for service in SERVICES
    }
    found = withheld(given, clearance)  # type: ignore[arg-type]
    return {service: indexes for service, indexes in found.items() if indexes}


def task(id_: UUID = TASK, secrecy: str = "secret", number: str = "密1", **more: object) -> Event:
    return event(id_, "assignment.task_assigned", number=number, secrecy=secrecy, title="题", **more)


def test_all_that_follows_from_a_secret_item_is_withheld_however_far_away() -> None:
    found = below(
        "internal",
        assignment=[
            task(),
            task(OTHER, "internal", "2"),
            event(TASK, "assignment.task_accepted", unit="fgw"),
        ],
        supervision=[
            event(CASE, "supervision.case_opened", subject_id=TASK, secrecy="public"),
            event(OTHER, "supervision.case_closed", ground="resolved"),
            event(NAMING, "supervision.naming_drafted", case_id=CASE, secrecy="public"),
            event(NAMING, "supervision.naming_approved", approved_by="gov/main-leader"),
        ],
        notify=[
            event(MATTER, "notify.matter_followed", case_id=CASE, secrecy="public"),
            event(MATTER, "notify.notice_issued", text="某事"),
            event(DIGEST, "notify.digest_sent", notice_id=DIGEST, text="督办任务2《题》"),
        ],
    )
    assert found == {"assignment": {0, 2}, "supervision": {0, 2, 3}, "notify": {0, 1}}


def test_an_item_that_becomes_secret_later_was_always_withheld() -> None:
    events = [task(secrecy="public"), event(TASK, "assignment.secrecy_raised", secrecy="secret")]
    assert below("internal", assignment=events) == {"assignment": {0, 1}}


def test_a_later_mention_withholds_that_event_and_not_what_it_stands_in() -> None:
    series = event(OTHER, "supervision.series_opened", series="通报", year=2021)
    issued = [
        event(OTHER, "supervision.number_issued", number=n, document_id=id_)
        for n, id_ in enumerate((uuid4(), TASK, uuid4()))
    ]
    assert below("internal", assignment=[task()], supervision=[series, *issued])["supervision"] == {2}


@pytest.mark.parametrize(
    "mention",
    [str(TASK).upper(), TASK.hex, f"event:assignment/{TASK}/1", f"见 {TASK}。"],
)
def test_a_mention_is_found_wherever_and_however_it_is_written(mention: str) -> None:
    told_of = event(OTHER, "assignment.remarked", deep=[{"x": [mention]}])
    assert below("internal", assignment=[task(), told_of])["assignment"] == {0, 1}
    escaped = json.dumps({"note": str(TASK)}).replace(
        str(TASK), "".join(f"\\u{ord(one):04x}" for one in str(TASK))
    )
    hidden = Event(OTHER, "assignment.remarked", escaped.encode())
    assert below("internal", assignment=[task(), hidden])["assignment"] == {0, 1}


def test_a_digest_that_names_a_secret_matter_by_its_number_alone_is_withheld() -> None:
    digests = [
        event(UUID(int=100 + n), "notify.digest_sent", notice_id=UUID(int=100 + n), text=text)
        for n, text in enumerate(["密1 已超时限", "密12 已超时限", "督办任务密1：应于", "没有事项"])
    ]
    assert below("internal", assignment=[task()], notify=digests)["notify"] == {0, 2}


def test_a_confidential_whistle_is_secret_and_its_enterprise_is_not() -> None:
    enterprise = event(OTHER, "enterprise.enterprise_registered", name="公司")
    whistle = event(TASK, "enterprise.whistle_blown", enterprise_id=OTHER, confidential=True)
    open_one = event(LIST, "enterprise.whistle_blown", enterprise_id=OTHER, confidential=False)
    assert below("internal", enterprise=[enterprise, whistle, open_one]) == {"enterprise": {1}}


@pytest.mark.parametrize("secrecy", ["机密", "SECRET", None, 7, ["public"]])
def test_a_secrecy_that_nobody_knows_is_the_highest(secrecy: object) -> None:
    assert below("internal", assignment=[event(TASK, "assignment.task_assigned", secrecy=secrecy)])


@pytest.mark.parametrize("state", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"null", b"[" * 100_000])
def test_what_cannot_be_read_is_withheld_with_all_that_begins_with_it(state: bytes) -> None:
    broken = Event(TASK, "assignment.task_assigned", state)
    later = event(TASK, "assignment.task_accepted", unit="fgw")
    harmless = task(OTHER, "public", "3")
    assert below("internal", assignment=[broken, later, harmless]) == {"assignment": {0, 1}}
    found = below("internal", assignment=[harmless, Event(OTHER, "assignment.task_accepted", state)])
    assert found == {"assignment": {1}}


def test_for_the_public_only_what_says_so_or_is_by_its_nature_passes() -> None:
    found = below(
        "public",
        assignment=[
            event(LIST, "assignment.unit_registered", unit="fgw"),
            task(TASK, "public", "1"),
            task(OTHER, "internal", "2"),
            event(uuid4(), "assignment.something_new", text="谁知道"),
        ],
        supervision=[event(CASE, "supervision.case_opened", subject_id=TASK, secrecy="public")],
        notify=[event(MATTER, "notify.matter_followed", case_id=CASE, secrecy="public")],
    )
    assert found == {"assignment": {2, 3}, "notify": {0}}
    assert below("secret", assignment=[task(), Event(OTHER, "x", b"")]) == {}


def test_of_a_real_suite_nothing_that_tells_of_its_secret_task_is_left(tmp_path: Path) -> None:
    with told(tmp_path) as suite:
        logs = {name: runtime.app.log for name, runtime in suite.opened.runtimes.items()}
        found = withheld({name: lambda log=log: logged(log) for name, log in logs.items()}, "internal")
        hidden = {name: len(found[name]) for name in SERVICES}
        assert hidden["assignment"] == 2, "with the one that tests/test_order.py names"
        assert hidden["supervision"] >= 2
        assert hidden["notify"] >= 2
        case = suite.case_of("密1")
        for name, log in logs.items():
            left = [one for index, one in enumerate(logged(log)) if index not in found[name]]
            assert len(left) > 50
            for word in ("密1", "不公开的事项", str(suite.secret), case):
                assert not [one for one in left if word.encode() in one.state], (name, word)
