"""Nothing is lost and nothing happens twice while the parts are killed, as often as it pleases chance."""

import time
from itertools import pairwise

from tests.faults.checks import problems
from tests.faults.client import Client, Command, run
from tests.faults.cluster import Cluster, Member, moment_of, until
from tests.faults.conftest import LONG
from tests.faults.havoc import Havoc

ROLES = (
    ("assignment", "web", 2),
    ("assignment", "relay", 2),
    ("assignment", "project", 2),
    ("supervision", "relay", 2),
    ("supervision", "react", 2),
    ("supervision", "project", 1),
)
COMMANDS = 2000 if LONG else 300
PAUSE = 0.1
LONG_PAUSE = 0.3
"""Seconds between two commands of a client at most; with the longer, every kind of fault has its turn meanwhile."""
KILLS = 20 if LONG else 5


def no_problems(cluster: Cluster) -> None:
    cluster.quiesce()
    found = problems(cluster, cluster.history)
    assert not found, "\n".join(found[:20])


def load(cluster: Cluster, name: str, seed: int, commands: int, pause: float = PAUSE) -> list[Command]:
    done = run([Client(cluster, f"{name}{n}-{seed}", commands, seed, pause) for n in range(4)])
    cluster.history += done
    return done


def test_r1_r3_acknowledged_commands_are_stored_and_have_one_effect_while_everything_is_killed(
    cluster: Cluster, seed: int
) -> None:
    havoc = Havoc(cluster, seed)
    havoc.start()
    try:
        done = load(cluster, "r1-", seed, COMMANDS, LONG_PAUSE)
    finally:
        havoc.end()
    print("\n".join(havoc.done))
    no_problems(cluster)
    assert len(done) == 4 * COMMANDS
    assert any(command.attempts > 1 for command in done), "nobody was disturbed"
    broken = [error for command in done for error in command.errors if ": 500 " in error]
    assert not broken, broken[:5]


def test_r2_a_lost_reply_to_commit_is_answered_with_the_first_answer(cluster: Cluster, seed: int) -> None:
    client = Client(cluster, f"r2-{seed}", 0, seed)
    for _ in range(10):
        dropped = cluster.links["web"].drop_reply_after(lambda sent: b"COMMIT" in sent)
        done = client.directive()
        assert dropped.is_set(), "no COMMIT was sent"
        assert done.outcome == "ok", done
    cluster.links["web"].passing()
    cluster.history += client.history
    assert any(done.replayed for done in client.history), "the commits themselves never got through"
    no_problems(cluster)


def test_r4_a_relay_that_is_set_back_by_500_changes_nothing(cluster: Cluster, seed: int) -> None:
    while len(log := cluster.log("assignment")) < 600:
        load(cluster, f"r4-{len(log)}-", seed, 50)
    cluster.quiesce()
    rows, logs = cluster.view_rows(), [cluster.log("assignment"), cluster.log("supervision")]
    groups = [
        cluster.of(service, role) for service, role, sources in cluster.consumers() if "assignment" in sources
    ]
    before = settled(groups)
    cluster.duban("relay", "republish", "--service", "assignment", "--from", str(log[-500].position))
    for group, had in zip(groups, before, strict=True):
        until(
            lambda group=group, had=had: duplicates(group) - had >= 500,
            lambda group=group, had=had: f"{group[0].name}: {duplicates(group) - had} duplicates",
        )
    assert [duplicates(group) - had for group, had in zip(groups, before, strict=True)] == [500] * len(groups)
    no_problems(cluster)
    assert cluster.view_rows() == rows
    assert [cluster.log("assignment"), cluster.log("supervision")] == logs


def settled(groups: list[list[Member]]) -> list[float]:
    """The groups' duplicates, when for three seconds none has come: a member that came back late brings some."""
    before, since = [duplicates(group) for group in groups], time.monotonic()
    while time.monotonic() - since < 3:
        time.sleep(0.5)
        now = [duplicates(group) for group in groups]
        if now != before:
            before, since = now, time.monotonic()
    return before


def duplicates(group: list[Member]) -> float:
    return sum(member.metric("duban_messages_duplicate_total", source="assignment") for member in group)


def test_r7_of_three_relays_never_two_are_active_though_the_active_one_is_killed(
    cluster: Cluster, seed: int
) -> None:
    third = cluster.add("assignment", "relay")
    relays = cluster.of("assignment", "relay")
    cluster.wait_until_ready()
    seen = {relay.name: len(relay.logged("relay_active")) for relay in relays}
    first = until(lambda: active(relays), lambda: "no relay is active")[0]
    # Who was active from when until when; the killed one's time ends when the blow is about to fall.
    times: list[tuple[float, float]] = []
    began = 0.0
    clients = [Client(cluster, f"r7-{n}-{seed}", KILLS * 20, seed, PAUSE) for n in range(2)]
    for client in clients:
        client.start()
    leader = first
    for _ in range(KILLS):
        times.append((began, time.time()))
        cluster.kill(leader)
        others = [relay for relay in relays if relay is not leader]
        [new] = until(lambda others=others: active(others), lambda: "no relay took over")
        lines = new.logged("relay_active")
        assert len(lines) > seen[new.name]
        seen[new.name], began = len(lines), moment_of(lines[-1])
        cluster.start(leader)
        leader = new
    for client in clients:
        client.join()
        assert client.failure is None
        cluster.history += client.history
    times.append((began, time.time()))
    assert all(ended <= begun for (_, ended), (begun, _) in pairwise(times)), times
    cluster.wait_until_ready()
    assert active(relays) == [leader]
    no_problems(cluster)
    cluster.remove(third)
    until(lambda: active(cluster.of("assignment", "relay")), lambda: "no relay is active")


def active(relays: list[Member]) -> list[Member]:
    """Who says of itself that it publishes; not more than one."""
    found = []
    for relay in relays:
        try:
            if relay.metric("duban_relay_active"):
                found.append(relay)
        except OSError:
            continue  # not up (again) yet
    assert len(found) < 2, [relay.name for relay in found]
    return found
