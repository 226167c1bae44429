"""The mechanism on a small service of its own: once, in order, in one transaction, and again from the log."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eventsourcing.persistence import IntegrityError
from sqlalchemy import Column, Integer, String

from shared.application.application import ATTEMPTS, ChangedMeanwhile, IdempotencyKeyReused, VersionIsStale
from shared.application.result import CommandResult
from shared.database.execute import Execute
from shared.domain.aggregate import Aggregate, Change, CommandContext, Creation, stable_id
from shared.domain.lifecycle import Lifecycle
from shared.events.base import Fact, Message
from shared.log import codec
from shared.log.codec import decode
from shared.log.recorder import Basis
from shared.messaging.parked import ConsumerStopped
from shared.messaging.reactions import NotYet, Reactions
from shared.readmodels.lifecycle import LifecycleView
from shared.readmodels.rows import Rows
from shared.readmodels.view import View
from shared.runtime.service import Service
from shared.service.application import ServiceApplication
from shared.testing import Opened, StoppedClock, an_act, shanghai

NOW = shanghai("2021-01-04 09:00")


@dataclass(frozen=True, kw_only=True)
class WardOpened(Fact):
    """病区开设: an event of a service that exists in this test only."""

    TOPIC = "ward.ward_opened"
    unit: str
    name: str


@dataclass(frozen=True, kw_only=True)
class WardRenamed(Fact):
    """病区更名."""

    TOPIC = "ward.ward_renamed"
    unit: str
    name: str


class Ward(Aggregate):
    """What the test's own service keeps."""

    TOPIC = "test.ward"
    name: str

    class Registered(WardOpened, Creation):
        def apply(self, ward: "Ward") -> None:
            ward.name = self.name

    class Renamed(WardRenamed, Change):
        def apply(self, ward: "Ward") -> None:
            ward.name = self.name


class Wards(ServiceApplication):
    name = "ward"

    def register(self, act: CommandContext, unit: str) -> CommandResult:
        return self.commit(
            act,
            Ward.begin(Ward.Registered, act, stable_id("unit", unit), unit=unit, name=unit),
        )

    def rename(self, act: CommandContext, unit: str, name: str) -> CommandResult:
        ward = self.load(Ward, stable_id("unit", unit), act)
        ward.record(Ward.Renamed, act, unit=unit, name=name)
        return self.commit(act, ward)


class Names(View):
    name = "names"
    broken = False

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        return [Column("name", String(100)), Column("changes", Integer, default=0)]

    def on_registered(self, rows: Rows, fact: WardOpened, message: Message) -> None:
        rows.put(fact.unit, name=fact.name)

    def on_renamed(self, rows: Rows, fact: WardRenamed, message: Message) -> None:
        if Names.broken and fact.unit == "bad":
            raise ValueError("this fold cannot take it")
        row = rows.get(fact.unit)
        assert row is not None
        rows.change(fact.unit, name=fact.name, changes=row["changes"] + 1)


class Echo(Reactions[Wards]):
    broken = False
    misses = 0

    def when_a_unit_was_registered_then_call_it_new(self, fact: WardOpened, message: Message) -> None:
        if Echo.misses:
            Echo.misses -= 1
            raise NotYet("not here yet")
        if Echo.broken and fact.unit.startswith("bad"):
            raise ValueError("this reaction cannot take it")
        self.get(Ward, message.aggregate_id).record(
            Ward.Renamed, self.act, unit=fact.unit, name=f"new {fact.name}"
        )


@dataclass(frozen=True, kw_only=True)
class WardState:
    """病区: one name cannot be shown, which is noticed only when its row is made."""

    name: str

    @property
    def status(self) -> str:
        if self.name == "unreadable":
            raise ValueError("this name cannot be shown")
        return self.name.upper()


ward_states = Lifecycle(WardState, begins=WardOpened)


@ward_states.register
def _(fact: WardOpened | WardRenamed) -> WardState:
    return WardState(name=fact.name)


class States(LifecycleView):
    name = "states"
    lifecycle = ward_states
    derived = ("status",)


SERVICE = Service(name="ward", title="test", application=Wards, views=[Names], blueprints=[], reactions=Echo)


@pytest.fixture(autouse=True)
def nothing_is_broken() -> None:
    Names.broken = Echo.broken = False
    Echo.misses = 0


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    with Opened(tmp_path, StoppedClock(NOW), SERVICE) as opened:
        yield opened


def app_of(opened: Opened) -> Any:
    return opened["ward"].app


def test_a_fact_is_reacted_to_once_and_seen_in_the_view(opened: Opened) -> None:
    app_of(opened).register(an_act(NOW), "fgw")
    opened.settle()
    opened.deliver_again("ward", "ward")
    opened.settle()
    assert opened.rows("ward", "names") == {"fgw": {"id": "fgw", "name": "new fgw", "changes": 1}}
    renamed = opened.of_kind("ward", WardRenamed)
    assert [fact.because for fact in renamed] == [f"event:ward/{stable_id('unit', 'fgw')}/1"]


def test_a_repeated_key_returns_the_first_answer_and_writes_nothing(opened: Opened) -> None:
    app = app_of(opened)
    act = an_act(NOW, key="clerk|1", fingerprint="a")
    first = app.perform(act, lambda act: app.register(act, "fgw"))
    again = app.perform(act, lambda act: app.register(act, "fgw"))
    assert again.replayed
    assert (again.id, again.version, again.position) == (first.id, first.version, first.position)
    assert len(opened.log("ward")) == 1
    with pytest.raises(IdempotencyKeyReused):
        app.perform(an_act(NOW, key="clerk|1", fingerprint="b"), lambda act: app.register(act, "czj"))


def test_a_command_is_retried_after_a_concurrency_conflict(opened: Opened) -> None:
    app = app_of(opened)
    app.register(an_act(NOW), "fgw")
    tries = []

    def rename(act: CommandContext) -> CommandResult:
        ward = app.load(Ward, stable_id("unit", "fgw"), act)
        if not tries:
            app.rename(an_act(NOW), "fgw", "the other's")
        tries.append(ward.name)
        ward.record(Ward.Renamed, act, unit="fgw", name="mine")
        return app.commit(act, ward)  # type: ignore[no-any-return]

    app.perform(an_act(NOW), rename)
    assert tries == ["fgw", "the other's"]
    with pytest.raises(VersionIsStale):
        app.rename(an_act(NOW, expected_version=1), "fgw", "too late")


def test_the_inbox_and_the_events_of_a_reaction_are_one_transaction(opened: Opened) -> None:
    app = app_of(opened)
    ward = Ward.begin(Ward.Registered, an_act(NOW), stable_id("unit", "a"), unit="a", name="a")

    def received(execute: Execute) -> None:
        execute("INSERT INTO inbox_versions VALUES ('react', 'ward', 'x', 1) RETURNING 1", ())

    app.save_with(received)
    with pytest.raises(IntegrityError):
        app.save_with(received, [ward])
    assert opened.log("ward") == []


def test_a_failing_message_is_parked_with_its_successors_and_retried_in_order(
    opened: Opened,
) -> None:
    app = app_of(opened)
    Echo.broken = Names.broken = True
    app.register(an_act(NOW), "bad")
    app.rename(an_act(NOW), "bad", "worse")
    app.register(an_act(NOW), "good")
    opened.settle()
    reactor = opened["ward"].reactor
    assert reactor is not None
    assert [row.reason for row in reactor.parked()] == ["ValueError: this reaction cannot take it"]
    assert [(row.handler, row.kind, row.reason) for row in opened["ward"].views.parked()] == [
        ("names", "fault", "ValueError: this fold cannot take it")
    ]
    assert opened.rows("ward", "names")["good"]["name"] == "new good"

    Echo.broken = Names.broken = False
    assert reactor.retry_parked() == (1, 0)
    assert opened["ward"].views.retry_parked() == (1, 0)
    opened.settle()
    assert reactor.parked() == []
    assert opened["ward"].views.parked() == []
    assert opened.rows("ward", "names")["bad"] == {"id": "bad", "name": "new bad", "changes": 2}


def test_a_message_that_waits_for_another_does_not_block_the_rest(
    opened: Opened,
) -> None:
    reactor = opened["ward"].reactor
    assert reactor is not None
    app_of(opened).register(an_act(NOW), "early")
    app_of(opened).register(an_act(NOW), "late")
    Echo.misses = 6
    assert reactor.step()  # together, then each: both wait for something, also at the second try
    assert [(row.kind, row.reason) for row in reactor.parked()] == [("waiting", "NotYet: not here yet")] * 2
    assert reactor.retry_parked() == (1, 1)
    assert reactor.retry_parked() == (1, 0)
    opened.settle()
    assert {row["name"] for row in opened.rows("ward", "names").values()} == {"new early", "new late"}
    app_of(opened).register(an_act(NOW), "never")
    Echo.misses = 1_000
    opened.settle()
    assert [row.reason for row in reactor.parked()] == ["NotYet: not here yet"]


def test_a_batch_is_saved_in_one_transaction(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    app, reactor = app_of(opened), opened["ward"].reactor
    assert reactor is not None
    saved: list[int] = []
    save_with = app.save_with

    def counting(first: Any, aggregates: Any = ()) -> None:
        saved.append(len(aggregates))
        save_with(first, aggregates)

    monkeypatch.setattr(app, "save_with", counting)
    for number in range(5):
        app.register(an_act(NOW), f"u{number}")
    assert reactor.step()
    assert saved == [5]
    Echo.broken = True
    for unit in ("v1", "bad", "v2"):
        app.register(an_act(NOW), unit)
    assert reactor.step()  # one stands in the way of the others: then each by itself
    assert [(row.kind, row.aggregate_id) for row in reactor.parked()] == [
        ("fault", str(stable_id("unit", "bad")))
    ]
    assert sorted(fact.unit for fact in opened.of_kind("ward", WardRenamed)) == [
        *(f"u{number}" for number in range(5)),
        "v1",
        "v2",
    ]


def test_reads_of_one_snapshot_are_consistent(opened: Opened) -> None:
    app, runtime = app_of(opened), opened["ward"]

    def names() -> list[str]:
        with runtime.views.reading() as connection:
            table = runtime.views.table(connection, "names")
            return [row.name for row in connection.execute(table.select().order_by(table.c.id))]

    app.register(an_act(NOW), "a")
    runtime.views.project(runtime.follower)
    with runtime.views.snapshot():
        assert names() == ["a"]
        app.register(an_act(NOW), "b")
        assert runtime.views.project(runtime.follower)
        with runtime.views.snapshot():
            assert names() == ["a"]
        assert names() == ["a"]
    assert names() == ["a", "b"]


def test_an_event_that_is_too_large_parks_the_message_that_led_to_it(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    app: Any = opened["ward"].app
    name = "x" * 60
    app.register(an_act(NOW), name)
    [stored] = app.log.select_notifications(start=1, limit=1)
    monkeypatch.setattr(codec, "LARGEST_EVENT", len(stored.state) - 10)
    app.register(an_act(NOW), "small")
    with pytest.raises(codec.EventTooLarge):
        app.register(an_act(NOW), name[1:] * 2)
    assert app.log.max_notification_id() == 2
    opened.settle()
    [(consumer, parked)] = opened["ward"].parked()
    assert (consumer, parked.kind, parked.position) == ("react", "fault", 1)
    assert "ward renamed" in parked.reason
    assert app.log.max_notification_id() == 3, "the other one was reacted to"
    monkeypatch.undo()
    opened["ward"].retry_parked()
    assert opened["ward"].parked() == []


def test_many_parked_in_a_row_stop_the_consumer(opened: Opened) -> None:
    Echo.broken = True
    for n in range(12):
        app_of(opened).register(an_act(NOW), f"bad{n}")
    with pytest.raises(ConsumerStopped):
        opened.settle()


def test_a_rebuilt_view_equals_the_live_one_and_replaces_it(opened: Opened) -> None:
    for n in range(30):
        app_of(opened).register(an_act(NOW), f"u{n}")
    opened.settle()
    before = opened.rows("ward", "names")
    assert opened.rebuild_and_compare("ward") == []
    assert opened.rows("ward", "names") == before
    app_of(opened).rename(an_act(NOW), "u3", "three")
    opened.settle()
    assert opened.rows("ward", "names")["u3"] == {"id": "u3", "name": "three", "changes": 2}


def test_a_fault_in_making_a_row_parks_the_message_that_made_its_state(tmp_path: Path) -> None:
    service = Service(name="ward", title="test", application=Wards, views=[States], blueprints=[])
    with Opened(tmp_path, StoppedClock(NOW), service) as opened:
        app = app_of(opened)
        for unit in ("a", "b", "c"):
            app.register(an_act(NOW), unit)
        for unit, name in (("a", "two"), ("b", "two"), ("b", "unreadable"), ("a", "three")):
            app.rename(an_act(NOW), unit, name)
        opened.settle()
        for _ in ("live", "rebuilt"):
            assert {row["name"]: row["state"] for row in opened.rows("ward", "states").values()} == {
                "three": "THREE",
                "two": "TWO",
                "c": "C",
            }
            assert [(row.kind, row.reason) for row in opened["ward"].views.parked()] == [
                ("fault", "ValueError: this name cannot be shown")
            ]
            assert opened.rebuild_and_compare("ward") == []


def test_a_new_version_is_built_beside_the_old_and_swapped_when_done(tmp_path: Path) -> None:
    clock = StoppedClock(NOW)
    with Opened(tmp_path, clock, SERVICE) as opened:
        app_of(opened).register(an_act(NOW), "fgw")
        opened.settle()

    class Names2(Names):
        version = 2

        def on_registered(self, rows: Rows, fact: WardOpened, message: Message) -> None:
            rows.put(fact.unit, name=fact.name.upper())

    newer = Service(name="ward", title="test", application=Wards, views=[Names2], blueprints=[])
    opened = Opened.__new__(Opened)
    from shared.process.config import Config
    from shared.runtime.opening import open_service

    runtime = open_service(newer, Config(data=tmp_path), clock)
    assert runtime.views.being_built() == ["names"]
    runtime.start()
    while runtime.settle():
        pass
    assert runtime.views.being_built() == []
    with runtime.views.reading() as connection:
        rows = connection.execute(runtime.views.table(connection, "names").select()).all()
    assert [(row.id, row.name) for row in rows] == [("fgw", "new fgw")]
    runtime.close()


def test_a_command_that_keeps_conflicting_is_refused_with_the_present_version(
    opened: Opened,
) -> None:
    app = app_of(opened)
    app.register(an_act(NOW), "fgw")

    def rename(act: CommandContext) -> CommandResult:
        ward = app.load(Ward, stable_id("unit", "fgw"), act)
        app.rename(an_act(NOW), "fgw", "the other's")
        ward.record(Ward.Renamed, act, unit="fgw", name="mine")
        return app.commit(act, ward)  # type: ignore[no-any-return]

    with pytest.raises(ChangedMeanwhile, match=f"version {ATTEMPTS + 1}"):
        app.perform(an_act(NOW), rename)
    assert {fact.name for fact in opened.of_kind("ward", WardRenamed)} == {"the other's"}


def test_a_decision_is_not_saved_after_others_have_written_what_it_looked_for(opened: Opened) -> None:
    app = app_of(opened)

    def open_ward(unit: str, basis: Basis | None = None) -> None:
        act = an_act(NOW)
        new = Ward.begin(Ward.Registered, act, stable_id("unit", unit), unit=unit, name=unit)
        app.commit(act, new, basis=basis)

    def looked_for(unit: str, *topics: str) -> Basis:
        return Basis(end, topics, lambda topic, state: decode(topic, state).unit == unit)  # type: ignore[attr-defined]

    open_ward("first")
    end = app.log.max_notification_id() or 0
    open_ward("second")
    with pytest.raises(IntegrityError):
        open_ward("third", looked_for("second", WardRenamed.TOPIC, WardOpened.TOPIC))
    assert app.find(Ward, stable_id("unit", "third")) is None
    open_ward("third", looked_for("second", WardRenamed.TOPIC))
    open_ward("fourth", looked_for("first", WardOpened.TOPIC))
    open_ward("fifth", looked_for("fifth", WardOpened.TOPIC))  # its own fact is none of others
