"""What is broken on the way is noticed, keeps nobody else from going on, and can be healed."""

import time
from pathlib import Path
from uuid import uuid4

import pytest
from kafka import KafkaProducer

from shared.messaging.transport.kafka.client import topic_of
from tests.faults.checks import problems
from tests.faults.client import Client, Command
from tests.faults.cluster import Cluster, Member, until

ROLES = (
    ("assignment", "web", 1),
    ("assignment", "relay", 1),
    ("assignment", "project", 1),
    ("supervision", "relay", 1),
    ("supervision", "react", 1),
    ("supervision", "project", 1),
)
CONSUMERS = (("assignment", "project"), ("supervision", "react"), ("supervision", "project"))


def no_problems(cluster: Cluster) -> None:
    cluster.quiesce()
    found = problems(cluster, cluster.history)
    assert not found, "\n".join(found[:20])


@pytest.fixture
def client(cluster: Cluster, seed: int, request: pytest.FixtureRequest) -> Client:
    one = Client(cluster, f"{request.node.name[5:30]}-{seed}", 0, seed)
    one.history = cluster.history  # keys and numbers count on over all tests
    one.open_list()
    return one


def ok(command: Command) -> str:
    """The id that the command was answered with."""
    assert command.outcome == "ok", command
    return str(command.answer["id"])


def consumers(cluster: Cluster, *roles: tuple[str, str]) -> list[Member]:
    return [member for of in roles or CONSUMERS for member in cluster.of(*of)]


# --- R5 --------------------------------------------------------------------------------------------------


def test_r5_a_record_dropped_in_the_relay_is_noticed_and_published_again(
    cluster: Cluster, client: Client
) -> None:
    done = client.directive()
    directive, units = ok(done), done.body["units"]
    cluster.quiesce()
    relays = cluster.of("assignment", "relay")
    cluster.stop(*relays)
    forgetful = cluster.add("assignment", "relay", drop=f"assignment/{directive}/2")
    ok(client.arrange(directive, units[0]))
    ok(client.arrange(directive, units[1]))
    for _ in range(20):
        ok(client.directive())
    cluster.quiesce(clean=False)  # the others flow

    of_it = [line for line in cluster.parked() if f"{directive} gap" in line]
    assert len(of_it) == len(CONSUMERS), cluster.parked()
    assert sum("hole in assignment" in line for line in cluster.parked()) == len(CONSUMERS), cluster.parked()
    for member in consumers(cluster):
        assert member.metric("duban_parked_messages", consumer=member.role, kind="gap") == 1, member.name
        assert member.metric("duban_missing_messages") > 0, member.name
    for service, role in CONSUMERS:
        logged = [line for one in cluster.of(service, role) for line in one.logged("messages_missing")]
        assert logged, (service, role)

    cluster.remove(forgetful)
    for relay in relays:
        cluster.start(relay)
    lost = next(one.position for one in cluster.log("assignment") if one.id == f"assignment/{directive}/2")
    cluster.duban("relay", "republish", "--service", "assignment", "--from", str(lost))
    no_problems(cluster)


# --- R6 --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["read", "written"])
def test_r6_a_stopped_consumer_that_comes_back_cannot_write(
    cluster: Cluster, client: Client, where: str
) -> None:
    sleepers: list[Member] = []
    tasks = [ok(client.assign()) for _ in range(8)]
    try:
        # First the one that folds: the one that reacts may go to sleep with locks that keep the other reactor from
        # going on, and then there is nothing more to fold.
        for role in ("project", "react"):
            sleepers.append(cluster.add("supervision", role, stop=where))
            cluster.wait_until_ready(but=sleepers[:-1])
            end = time.monotonic() + 60
            while not is_stopped(sleepers[-1]):
                assert time.monotonic() < end, f"{role} has not had a message in hand that it could stop with"
                for task in tasks:
                    ok(client.reassign(task))
        cluster.quiesce()  # the others do what these two had in hand, whatever locks they went to sleep with
        assert all(map(is_stopped, sleepers))
    finally:
        for sleeper in sleepers:
            cluster.resume(sleeper)
    cluster.wait_until_ready()
    ok(client.reassign(tasks[0]))
    no_problems(cluster)
    cluster.remove(*sleepers)


def is_stopped(member: Member) -> bool:
    """Whether SIGSTOP holds it."""
    return Path(f"/proc/{member.pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] == "T"


# --- R8 --------------------------------------------------------------------------------------------------

WITHIN = 5.0
"""Seconds after which the others must have come through."""


def test_r8_a_bug_for_one_aggregate_and_an_unknown_type_hold_up_nobody_else(
    cluster: Cluster, client: Client
) -> None:
    done = client.directive()
    directive, units = ok(done), done.body["units"]
    task = ok(client.assign())
    cluster.quiesce()
    sound = consumers(cluster)
    cluster.stop(*sound)
    defect = {"bug": directive, "unknown": "assignment.task_reassigned"}
    defective = [cluster.add(service, role, **defect) for service, role in CONSUMERS]
    cluster.wait_until_ready()
    cluster.quiesce()
    ok(client.arrange(directive, units[0]))
    ok(client.arrange(directive, units[1]))
    ok(client.reassign(task))
    for _ in range(5):
        ok(client.directive())
    until(lambda: not cluster.behind(), lambda: cluster.behind(), WITHIN)

    parked = cluster.parked()
    for service, consumer in CONSUMERS:
        own = [line for line in parked if line.startswith(f"{service} {consumer}")]
        assert any("unknown event" in line and task in line for line in own), own
    for service, consumer in CONSUMERS[:2]:  # supervision's views fold no directives
        of_it = [line for line in parked if line.startswith(f"{service} {consumer}") and directive in line]
        kinds = ["fault: RuntimeError: a bug that concerns one aggregate", "behind: an earlier fact"]
        assert len(of_it) == 2, of_it
        assert all(kind in line for kind, line in zip(kinds, of_it, strict=True)), of_it
    for member in defective:
        assert member.metric("duban_parked_messages", consumer=member.role, kind="fault") > 0, member.name

    cluster.remove(*defective)
    for member in sound:
        cluster.start(member)
    no_problems(cluster)


def test_r8_what_nobody_can_read_is_parked_and_holds_up_nobody_else(cluster: Cluster, client: Client) -> None:
    ok(client.directive())
    cluster.quiesce()
    topic = topic_of("assignment")
    ends, partitions = cluster.ends("assignment"), range(cluster.direct.kafka_partitions)
    sent = " ".join(str(ends.get(partition, 0)) for partition in partitions)
    event = b'{"timestamp":"2021-01-04T01:00:00Z","happened_at":"2021-01-04T01:00:00Z",'
    event += b'"by":{"unit":"office","post":"office/director"},"because":"request:x|x",'
    event += b'"unit":"x","name":"x","short_names":[],"kind":"department"'
    forged = {
        "undecodable": ("assignment.unit_registered", "1", b"\xff\x00\xfe"),
        "of the future": ("assignment.unit_registered", "1", event + b',"class_version":2}'),
        "unknown": ("assignment.nobody_knows_this", "1", event + b"}"),
        "without a version": ("assignment.unit_registered", "one", event + b"}"),
    }
    ids = {name: str(uuid4()) for name in forged}
    producer = KafkaProducer(bootstrap_servers=cluster.broker.bootstrap)
    for before, (name, (kind, version, value)) in enumerate(forged.items()):
        headers = {
            "ce_id": f"assignment/{ids[name]}/{version}",
            "ce_type": kind,
            "ce_sequence": str(ends[0] - before),  # not beyond the log's end, and each its own
            "ce_sent": sent,
        }
        packed = [(key, text.encode()) for key, text in headers.items()]
        producer.send(topic, value, key=ids[name].encode(), headers=packed, partition=0).get(timeout=10)
    producer.send(topic, b"\x00\x01\x02", partition=0).get(timeout=10)
    producer.close()
    for _ in range(5):
        ok(client.directive())
    until(lambda: not cluster.behind(), lambda: cluster.behind(), WITHIN)

    parked = until(
        lambda: len(found := cluster.parked()) >= 5 * len(CONSUMERS) - 2 and found, lambda: cluster.parked()
    )
    for service, consumer in CONSUMERS:
        own = "\n".join(line for line in parked if line.startswith(f"{service} {consumer}"))
        assert own.count("not an event of this suite") == 2, own
        assert f"{ids['unknown']} fault:" in own, own
        if consumer == "project":
            assert f"{ids['undecodable']} fault: Unreadable" in own, own
            assert (
                f"{ids['of the future']} fault: Unreadable: assignment.unit_registered: version 2" in own
            ), own
    wipe(cluster)
    # Nothing of this ever was an event: somebody has looked at it and throws it away.
    for service in ("assignment", "supervision"):
        cluster.write(
            service, "DELETE FROM inbox_versions WHERE aggregate_id = ANY(%(ids)s)", ids=list(ids.values())
        )
        cluster.write(service, "DELETE FROM inbox_parked")
    for service in ("assignment", "supervision"):
        cluster.duban("relay", "republish", "--service", service, "--from", "1")
    no_problems(cluster)


# --- R20 -------------------------------------------------------------------------------------------------


def wipe(cluster: Cluster) -> None:
    """The broker loses everything and comes back with empty topics."""
    cluster.broker.wipe()
    cluster.broker.start()
    cluster.duban("topics", "apply")


def test_r20_a_wiped_topic_is_noticed_and_published_again(cluster: Cluster, client: Client) -> None:
    ok(client.directive())
    cluster.quiesce()
    relays, members = cluster.of("assignment", "relay"), consumers(cluster)
    noticed = len(logged(relays, "topic_has_lost_messages")), len(logged(members, "messages_missing"))
    cluster.stop(*members)
    for _ in range(20):
        ok(client.directive())  # nobody has received these when they are gone
    until(lambda: not any("relay" in line for line in cluster.behind()), cluster.behind)
    # A producer that had nothing to send meanwhile goes on as if nothing had happened; a new one looks first.
    for relay in relays:
        cluster.kill(relay)
    wipe(cluster)
    for member in [*relays, *members]:
        cluster.start(member)
    cluster.wait_until_ready()
    until(
        lambda: sum(relay.metric("duban_relay_topic_behind") for relay in relays) > 0,
        lambda: "no relay has noticed",
    )
    assert len(logged(relays, "topic_has_lost_messages")) > noticed[0]
    for _ in range(20):
        ok(client.directive())
    for member in members:
        until(
            lambda member=member: member.metric("duban_missing_messages") > 0,
            lambda member=member: member.tail(),
        )
    assert len(logged(members, "messages_missing")) > noticed[1]
    for service in ("assignment", "supervision"):
        cluster.duban("relay", "republish", "--service", service, "--from", "1")
    no_problems(cluster)
    assert sum(relay.metric("duban_relay_topic_behind") for relay in relays) == 0


def logged(members: list[Member], event: str) -> list[object]:
    return [line for member in members for line in member.logged(event)]


# --- the harness itself ----------------------------------------------------------------------------------


# Last, because what a defective reaction has done to supervision's log stays there.
@pytest.mark.parametrize("mark", [None, "later", "earlier"])
def test_an_offset_that_is_not_committed_with_its_effect_is_detected(
    cluster: Cluster, client: Client, tmp_path: Path, mark: str | None
) -> None:
    tasks = [ok(client.assign()) for _ in range(2)]
    cluster.quiesce(clean=False)
    before = set(problems(cluster, cluster.history))
    roles = (("supervision", "react"), ("supervision", "project"))
    sound = consumers(cluster, *roles)
    cluster.stop(*sound)
    defect = {} if mark is None else {"mark": mark}
    defective = [cluster.add(*role, die=str(tmp_path / role[1]), **defect) for role in roles]
    cluster.wait_until_ready()
    # Each dies once. What is lost with the reaction's process never comes to the view's: so there is a second task.
    for task in tasks:
        ok(client.reassign(task))
        until(lambda: revive(cluster, defective) and not cluster.behind(), cluster.behind)
    assert all((tmp_path / role).exists() for _, role in roles), "one of them has not died"
    until(lambda: revive(cluster, defective), lambda: "they keep dying")
    cluster.wait_until_ready()
    found = [line for line in problems(cluster, cluster.history) if line not in before]
    cluster.remove(*defective)
    for member in sound:
        cluster.start(member)
    if mark is None:
        assert not found, "\n".join(found)
        return
    reacted = [
        line for line in found if line.startswith(f"assignment.task_reassigned assignment/{tasks[0]}/2")
    ]
    assert len(reacted) == 1, found
    assert ("too much {}" in reacted[0]) == (mark == "earlier"), reacted
    assert any(line.startswith("supervision.custody ") for line in found), found


def revive(cluster: Cluster, members: list[Member]) -> bool:
    """Start those again that have ended; whether there were none."""
    dead = [member for member in members if member.process.ended() is not None]
    for member in dead:
        cluster.start(member)
    return not dead
