"""A row of the log as a Kafka record and back: CloudEvents 1.0 Kafka protocol binding, binary mode."""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
from eventsourcing.persistence import Notification

from shared.events.base import message_id
from shared.messaging.batch import Batch


class _Recorded(msgspec.Struct):
    timestamp: str
    because: str


_recorded = msgspec.json.Decoder(_Recorded)


def headers_of(source: str, row: Notification, sent: str) -> list[tuple[str, bytes]]:
    """The CloudEvents attributes of a row of the log, as headers.

    ``ce_sequence`` is its position; ``ce_sent``, before it, the last position in every partition. All events of one
    command share the trace id of ``traceparent``, which is made from what caused them.
    """
    recorded = _recorded.decode(row.state)
    key = str(row.originator_id)
    name = message_id(source, key, row.originator_version)  # type: ignore[arg-type]
    trace = hashlib.blake2b(recorded.because.encode(), digest_size=16).hexdigest()
    span = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", name.encode()),
        ("ce_source", f"/duban/{source}".encode()),
        ("ce_type", row.topic.encode()),
        ("ce_time", recorded.timestamp.encode()),  # RFC 3339, with the offset with which it was recorded
        ("ce_partitionkey", key.encode()),
        ("ce_sequence", str(row.id).encode()),
        ("ce_sent", sent.encode()),
        ("content-type", b"application/json"),
        ("traceparent", f"00-{trace}-{span}-01".encode()),
    ]


def row_of(record: Any) -> tuple[Notification, int, str]:
    """A record as the row of the log that it is; what its ``ce_sent`` says of its partition, and as a whole.

    A stranger's has a negative position.
    """
    headers = dict(record.headers or ())
    try:
        _, aggregate_id, version = headers["ce_id"].decode().rsplit("/", 2)
        sent = headers["ce_sent"].decode()
        before = int(sent.split(" ")[record.partition])
        row = object.__new__(Notification)  # its own constructor takes three times as long
        row.__dict__.update(
            id=int(headers["ce_sequence"]),
            originator_id=aggregate_id,
            originator_version=int(version),
            topic=headers["ce_type"].decode(),
            state=record.value or b"",
        )
    except (KeyError, ValueError, IndexError, AttributeError):
        stranger = Notification(
            id=-record.offset - 1,
            originator_id=f"{record.topic}/{record.partition}/{record.offset}",
            originator_version=1,
            topic="",
            state=record.value or b"",
        )
        return stranger, 0, ""
    return row, before, sent


def batch_of(source: str, partition: int, records: Sequence[Any]) -> Batch:
    rows, before, sent = zip(*map(row_of, records), strict=True)
    return Batch(source, partition, rows, [record.offset for record in records], before, sent)
