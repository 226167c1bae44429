"""The typed codec: what it refuses, what it ignores, how it carries an old version up."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from eventsourcing.persistence import Notification

from shared.events import assignment
from shared.events.base import Actor, Fact, message_id
from shared.log.codec import Unreadable, cloudevent, decode, encode

STAMP: dict[str, Any] = {
    "timestamp": datetime(2021, 2, 5, 8, 0, tzinfo=UTC),
    "happened_at": datetime(2021, 2, 5, 7, 0, tzinfo=UTC),
    "by": Actor(unit="fgw", post="fgw/head"),
    "because": "request:clerk|1",
}
EXTENDED = assignment.ExtensionGranted(
    due_on=date(2021, 3, 5), original_due_on=date(2021, 2, 7), times=1, **STAMP
)
ID = UUID("8f9b2a52-0a6e-5c1b-9d53-1f0c7d7c2021")


@dataclass(frozen=True, kw_only=True)
class Moved(Fact):
    """搬迁: an event that was changed twice."""

    TOPIC = "codec.moved"
    class_version = 3
    to_unit: str
    floors: int

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        state["to_unit"] = state.pop("unit")

    @staticmethod
    def upcast_v2_v3(state: dict[str, Any]) -> None:
        state["floors"] = int(state.pop("floor", "1"))


def changed(**fields: Any) -> bytes:
    return json.dumps({**json.loads(encode(EXTENDED)), **fields}).encode()


def test_the_stored_state_is_plain_json() -> None:
    assert json.loads(encode(EXTENDED)) == {
        "timestamp": "2021-02-05T08:00:00Z",
        "happened_at": "2021-02-05T07:00:00Z",
        "by": {"unit": "fgw", "post": "fgw/head"},
        "because": "request:clerk|1",
        "due_on": "2021-03-05",
        "original_due_on": "2021-02-07",
        "times": 1,
    }
    assert decode(EXTENDED.TOPIC, encode(EXTENDED)) == EXTENDED


def test_unknown_fields_are_ignored() -> None:
    assert decode(EXTENDED.TOPIC, changed(added_in_2031="x")) == EXTENDED


@pytest.mark.parametrize(
    "fields",
    [
        {"due_on": "5 March"},
        {"times": "1"},
        {"times": None},
        {"by": "fgw"},
        {"happened_at": "2021-02-05T07:00:00"},
        {"happened_at": 1612508400},
    ],
)
def test_wrong_types_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        decode(EXTENDED.TOPIC, changed(**fields))


def test_undecodable_bytes_an_unknown_topic_and_a_missing_field_are_refused() -> None:
    for topic, state in (
        (EXTENDED.TOPIC, b"\xff\xfe"),
        ("assignment.no_such_event", encode(EXTENDED)),
        (EXTENDED.TOPIC, b"{}"),
    ):
        with pytest.raises(Unreadable):
            decode(topic, state)


def test_an_old_version_is_carried_up_one_step_at_a_time() -> None:
    stamp = {
        name: value
        for name, value in json.loads(encode(EXTENDED)).items()
        if name in {*STAMP, "by", "because"}
    }
    first = json.dumps({**stamp, "unit": "fgw", "floor": "4"}).encode()
    second = json.dumps({**stamp, "to_unit": "fgw", "floor": "4", "class_version": 2}).encode()
    third = encode(Moved(to_unit="fgw", floors=4, **STAMP))
    assert json.loads(third)["class_version"] == 3
    assert decode("codec.moved", first) == decode("codec.moved", second) == decode("codec.moved", third)


def test_a_version_from_the_future_is_refused_not_guessed_at() -> None:
    state = {**json.loads(encode(Moved(to_unit="fgw", floors=4, **STAMP))), "class_version": 4}
    with pytest.raises(Unreadable, match="version 4"):
        decode("codec.moved", json.dumps(state).encode())


def test_the_envelope_is_a_cloudevent() -> None:
    row = Notification(
        originator_id=ID, originator_version=7, topic=EXTENDED.TOPIC, state=encode(EXTENDED), id=41
    )
    envelope = cloudevent("assignment", row)
    assert envelope["specversion"] == "1.0"
    assert envelope["id"] == message_id("assignment", ID, 7)
    assert envelope["type"] == "assignment.extension_granted"
    assert envelope["time"] == "2021-02-05T08:00:00Z"
    assert envelope["partitionkey"] == str(ID)
    assert envelope["data"] == json.loads(row.state)


def test_two_events_cannot_claim_one_topic() -> None:
    with pytest.raises(TypeError, match="claim the topic"):

        @dataclass(frozen=True, kw_only=True)
        class Other(Fact):
            TOPIC = "codec.moved"
