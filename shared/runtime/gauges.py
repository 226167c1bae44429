"""The gauges of every worker process; those of one service are declared in its ``gauges.py``."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

from cryptography.x509 import load_pem_x509_certificates

from shared.database.unavailable import UNAVAILABLE
from shared.log.codec import decode
from shared.messaging.parked import Kind, Parked
from shared.process import logs
from shared.process.config import Config
from shared.readmodels.generations import ViewIsBeingBuilt
from shared.runtime.gauge import Gauge, Sample, Values, age, one
from shared.runtime.opening import CLOCK_BEHIND, Runtime

log = logs.log("worker")


def _lag(runtime: Runtime) -> Values:
    return {
        (consumer, source, str(partition)): float(behind)
        for consumer, follower in runtime.followers.items()
        for (source, partition), behind in follower.lag().items()
    }


def _progress(runtime: Runtime) -> Values:
    return {(consumer,): follower.progress_age() for consumer, follower in runtime.followers.items()}


def _all_parked(runtime: Runtime) -> list[tuple[str, Parked]]:
    return runtime.views.keep("parked", runtime.parked)


def _parked(runtime: Runtime) -> Values:
    parked = _all_parked(runtime)
    return {
        (consumer, kind): float(sum(1 for of, row in parked if (of, row.kind) == (consumer, kind)))
        for consumer in runtime.followers
        for kind in get_args(Kind)
    }


def _oldest_parked(runtime: Runtime) -> Values:
    now = runtime.clock()
    return one(max([age(row.since, now) for _, row in _all_parked(runtime)], default=0.0))


def _position(runtime: Runtime) -> Values:
    return {
        (source, str(partition)): float(position.position)
        for (source, partition), position in runtime.views.positions().items()
    }


def _checkpoint_age(runtime: Runtime) -> Values:
    last = runtime.sealer.tree.last()
    return {} if last is None else one(age(last.made_at, runtime.clock()))


def _pool(runtime: Runtime) -> Values:
    pools = {"log": runtime.app.log.connections_in_use, "views": runtime.views.connections_in_use}
    return {(name,): float(in_use()) for name, in_use in pools.items()}


def _unsent(runtime: Runtime) -> Values:
    """Nothing of a relay that stands by: it does not know, and 0 would say that all is well."""
    assert runtime.relay is not None
    unsent = runtime.relay.lag()
    return {} if unsent is None else one(unsent)


def _oldest_unsent(runtime: Runtime) -> Values:
    assert runtime.relay is not None
    oldest = runtime.relay.oldest_unsent()
    if oldest is None and runtime.relay.lag() is None:
        return {}
    return one(0.0 if oldest is None else age(decode(oldest.topic, oldest.state).timestamp, runtime.clock()))


def _certificates(config: Config) -> dict[tuple[str, ...], float]:
    settings = {"kafka_ca": config.kafka_ca, "kafka_certificate": config.kafka_certificate}
    return {
        (name,): min(found.not_valid_after_utc.timestamp() for found in _pem(path))
        for name, path in settings.items()
        if path is not None
    }


def _pem(path: Path) -> Sequence[Any]:
    return load_pem_x509_certificates(path.read_bytes())


OF_EVERY_PROCESS: Sequence[Gauge] = (
    CLOCK_BEHIND,
    Gauge(
        "duban_lag_messages",
        "Messages on the way that the consumer has not handled",
        _lag,
        ("consumer", "source", "partition"),
    ),
    Gauge(
        "duban_progress_age_seconds",
        "Seconds since the consumer handled a message or found that none is outstanding",
        _progress,
        ("consumer",),
    ),
    Gauge("duban_parked_messages", "Messages that could not be handled yet", _parked, ("consumer", "kind")),
    Gauge(
        "duban_parked_oldest_seconds", "Age of the oldest message that could not be handled", _oldest_parked
    ),
    Gauge(
        "duban_missing_messages",
        "Stretches of a log that have not been received though later ones have",
        lambda runtime: one(len(runtime.holes())),
    ),
    Gauge(
        "duban_views_position",
        "The last position folded into the read models",
        _position,
        ("source", "partition"),
    ),
    Gauge(
        "duban_views_being_built",
        "Read models of this release that are not complete yet",
        lambda runtime: one(len(runtime.views.being_built())),
    ),
    Gauge(
        "duban_log_position",
        "The last position of the service's log",
        lambda runtime: one(runtime.app.log.max_notification_id() or 0),
    ),
    Gauge("duban_database_connections_in_use", "Pooled connections in use", _pool, ("pool",)),
    Gauge(
        "duban_seal_active", "Whether this process seals the log", lambda runtime: one(runtime.sealer.active)
    ),
    Gauge(
        "duban_seal_unsealed",
        "Positions of the log that are not in its tree yet",
        lambda runtime: one(runtime.sealer.lag()),
    ),
    Gauge(
        "duban_seal_away",
        "Whether what sealing needs, or a place of its checkpoints, is away or wrong",
        lambda runtime: {(what,): away for what, away in runtime.sealer.unavailable().items()},
        ("what",),
    ),
    Gauge("duban_checkpoint_age_seconds", "Age of the log's last signed checkpoint", _checkpoint_age),
    Gauge(
        "duban_checkpoint_overdue_seconds",
        "Seconds since the log's new events should have been in a signed checkpoint",
        lambda runtime: one(runtime.sealer.overdue()),
    ),
    Gauge(
        "duban_certificate_expires_timestamp_seconds",
        "When a certificate of the settings expires, in Unix time",
        lambda runtime: _certificates(runtime.config),
        ("setting",),
    ),
)
OF_A_RELAY: Sequence[Gauge] = (
    Gauge("duban_relay_active", "Whether this process publishes", lambda runtime: one(runtime.relay.active)),
    Gauge(
        "duban_relay_unsent",
        "Positions of the log that the broker has not acknowledged",
        _unsent,
    ),
    Gauge(
        "duban_relay_unsent_seconds",
        "Age of the oldest event that the broker has not acknowledged",
        _oldest_unsent,
    ),
    Gauge(
        "duban_relay_standby",
        "Whether this process waits because another one publishes",
        lambda runtime: one(runtime.relay.stands_by),
    ),
    Gauge(
        "duban_relay_refused",
        "Whether publishing stands still at an event that the broker refuses for itself",
        lambda runtime: one(runtime.relay.refused is not None),
    ),
    Gauge(
        "duban_relay_topic_behind",
        "Partitions of the topic that hold less than was acknowledged",
        lambda runtime: one(len(runtime.relay.topic_behind)),
    ),
    Gauge(
        "duban_relay_log_behind",
        "Partitions of the topic that hold an event which the log does not",
        lambda runtime: one(len(runtime.relay.log_behind)),
    ),
)
DATABASE_UP = Gauge("duban_database_up", "Whether the database answers", lambda up: one(up))


def gauges(runtime: Runtime, role: str = "worker") -> Iterable[Sample]:
    """The present gauges of a process in this role; while the database is unavailable only that it is."""
    read: list[tuple[Gauge, object]] = [(gauge, runtime) for gauge in OF_EVERY_PROCESS]
    if runtime.relay is not None:
        read += [(gauge, runtime) for gauge in OF_A_RELAY]
    if role in ("worker", runtime.service.own_role):
        read += [(gauge, runtime.app) for gauge in runtime.service.gauges]
    samples: list[Sample] = []
    try:
        with runtime.views.snapshot():
            for gauge, what in read:
                with suppress(ViewIsBeingBuilt):
                    samples.append((gauge, gauge.read(what)))
    except UNAVAILABLE as error:
        log.warning("not_measured", reason=str(error))
        return [(DATABASE_UP, one(False))]
    return [(DATABASE_UP, one(True)), *samples]
