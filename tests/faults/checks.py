"""What must be true after everything has healed and come to rest; each violation as a line of text."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from services.suite import SUITE
from tests.faults.client import Command
from tests.faults.cluster import FOLLOWED, Cluster, Stored

TOPICS = {
    "unit": "assignment.unit_registered",
    "post": "assignment.post_created",
    "holder": "assignment.post_holder_appointed",
    "directive": "assignment.directive_registered",
    "arrange": "assignment.arrangement_reported",
    "list": "assignment.task_list_opened",
    "task": "assignment.task_assigned",
    "reassign": "assignment.task_reassigned",
}
"""The one event of each kind of command."""

Effects = Counter[tuple[str, str]]
"""How often: topic, and what tells effects of one topic apart."""


def effects_of(fact: Stored) -> Effects:
    """What supervision does, once, about a fact of assignment."""
    of = fact.topic.removeprefix("assignment.")
    if of == "directive_registered":
        return Counter(
            (f"supervision.{what}", unit)
            for unit in fact.state["units"]
            for what in ("case_opened", "clock_started")
        )
    if of == "arrangement_reported":
        return Counter({("supervision.clock_stopped", "arrange"): 1, ("supervision.case_closed", ""): 1})
    if of == "task_assigned":
        unit = fact.state["lead_unit"]
        return Counter({("supervision.case_opened", unit): 1, ("supervision.clock_started", unit): 3})
    if of == "task_reassigned":
        unit = fact.state["lead_unit"]
        return Counter(
            {
                ("supervision.clock_stopped", "acknowledge"): 1,
                ("supervision.clock_stopped", "return_within"): 1,
                ("supervision.custody_moved", unit): 1,
                ("supervision.clock_started", unit): 2,
            }
        )
    return Counter()


def _told_apart(event: Stored) -> tuple[str, str]:
    state = event.state
    by = {
        "case_opened": "unit",
        "clock_started": "unit",
        "clock_stopped": "clock",
        "custody_moved": "to_unit",
    }.get(event.topic.removeprefix("supervision."))
    return event.topic, str(state[by]) if by else ""


def problems(cluster: Cluster, history: Sequence[Command]) -> list[str]:
    """R1 and R3: everything that is wrong with a cluster that has come to rest."""
    logs = {service: cluster.log(service) for service in FOLLOWED}
    return [
        *stored(cluster, history, logs["assignment"]),
        *downstream(logs["assignment"], logs["supervision"]),
        *(line for log in logs.values() for line in versions(log)),
        *received(cluster, logs),
        *cluster.parked(),
        *rebuilt(cluster),
    ]


def stored(cluster: Cluster, history: Iterable[Command], log: Sequence[Stored]) -> list[str]:
    """Acknowledged ⊆ stored; one effect per key; what is unknown wholly in or wholly out; what was refused is out."""
    by_key: dict[str, list[Stored]] = defaultdict(list)
    for event in log:
        by_key[event.state["because"].rpartition("|")[2]].append(event)
    answers = {key.rpartition("|")[2] for (key,) in cluster.rows("assignment", "SELECT key FROM answers")}
    found = []
    for command in history:
        events = by_key.pop(command.key, [])
        seen = [(event.topic, event.aggregate, event.version, event.position) for event in events]
        if len(events) > 1:
            found.append(f"{command.key} happened {len(events)} times: {seen}")
        if (command.key in answers) != bool(events):
            found.append(f"{command.key} is half in: answer {command.key in answers}, events {seen}")
        if command.outcome == "failed":
            found.append(f"{command.key} was refused: {command.status} {command.answer}")
        if command.outcome != "ok":
            continue
        answer = command.answer
        if [one[1:] for one in seen] != [(answer["id"], answer["version"], answer["position"])]:
            found.append(f"{command.key} was acknowledged as {answer} and stands as {seen}")
        elif seen[0][0] != TOPICS[command.kind]:
            found.append(f"{command.key} is a {seen[0][0]}")
    return found + [f"{key}: nobody gave this command" for key in by_key]


def downstream(facts: Sequence[Stored], log: Sequence[Stored]) -> list[str]:
    """Each fact of assignment has had its effect in supervision once."""
    had: dict[str, Effects] = defaultdict(Counter)
    for event in log:
        had[event.state["because"].removeprefix("event:")][_told_apart(event)] += 1
    found = []
    for fact in facts:
        wanted, is_ = effects_of(fact), had.pop(fact.id, Counter())
        if wanted != is_:
            differs = f"too little {dict(wanted - is_)}, too much {dict(is_ - wanted)}"
            found.append(f"{fact.topic} {fact.id} at {fact.position}: {differs}")
    strange = [cause for cause in had if cause.startswith("assignment/")]
    return found + [f"supervision did something because of {cause}" for cause in strange]


def versions(log: Sequence[Stored]) -> list[str]:
    """Every aggregate's versions run 1..n, in the order of positions."""
    of: dict[str, list[int]] = defaultdict(list)
    for event in log:
        of[event.aggregate].append(event.version)
    return [
        f"{log[0].service} {aggregate}: versions {found}"
        for aggregate, found in of.items()
        if found != list(range(1, len(found) + 1))
    ]


def received(cluster: Cluster, logs: dict[str, list[Stored]]) -> list[str]:
    """Every consumer has received every aggregate up to its last version, and not more."""
    last = {service: {event.aggregate: event.version for event in log} for service, log in logs.items()}
    found = []
    for service, consumer, sources in cluster.consumers():
        rows = cluster.rows(
            service, "SELECT source, aggregate_id, version FROM inbox_versions WHERE consumer=%s", consumer
        )
        for source in set(sources) & set(FOLLOWED):
            has = {aggregate: version for of, aggregate, version in rows if of == source}
            if has != last[source]:
                other = {
                    key for key in has.keys() | last[source].keys() if has.get(key) != last[source].get(key)
                }
                found.append(f"{service} {consumer} has other versions of {source}: {sorted(other)[:5]}")
    return found


def rebuilt(cluster: Cluster) -> list[str]:
    """Every read model rebuilt from nothing equals the live one."""
    found = []
    for service in FOLLOWED:
        runtime = cluster.open(service)
        try:
            for one in runtime.views.rebuild(list(SUITE_VIEWS[service]), runtime.follower, compare=True):
                found.append(f"{service}.{one.view} {one.id}: live {one.live}, rebuilt {one.rebuilt}")
            runtime.views.retire()
        finally:
            runtime.close()
    return found


SUITE_VIEWS = {service: [view.name for view in SUITE[service].views] for service in FOLLOWED}
