"""Commands that meet: two writers of one aggregate, and one request sent to two web processes."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException

import psycopg
import pytest

from tests.faults.cluster import Member, until
from tests.roles.site import Answer, Client, Site

ROUNDS = 6


@pytest.fixture
def webs(new_site: Callable[..., Site]) -> tuple[Site, list[Member]]:
    """Two web processes of one service."""
    site = new_site(kafka=False)
    webs = [site.add("assignment", "web") for _ in range(2)]
    site.wait_until_ready()
    return site, webs


@contextmanager
def _nobody_saves(site: Site) -> Iterator[Callable[[], int]]:
    """Every save waits; gives how many wait."""
    with psycopg.connect(site.direct.database_of("assignment")) as connection:
        connection.execute("LOCK TABLE assignment_events IN EXCLUSIVE MODE")

        def waiting() -> int:
            sql = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation='assignment_events'::regclass"
            return int(site.rows("assignment", sql)[0][0])

        yield waiting


def _both(site: Site, asks: list[Callable[[], Answer]]) -> tuple[list[Answer], bool]:
    """The answers to two commands, and whether both had decided before either was saved."""
    answers: dict[int, Answer] = {}

    def run(number: int) -> None:
        answers[number] = asks[number]()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(asks))]
    with _nobody_saves(site) as waiting:
        for thread in threads:
            thread.start()
        end = time.monotonic() + 1.2  # within the patience of a web process
        while waiting() < len(asks) and time.monotonic() < end:
            time.sleep(0.01)
        met = waiting() == len(asks)
    for thread in threads:
        thread.join()
    return [answers[number] for number in range(len(asks))], met


def test_of_two_writers_with_the_same_version_one_wins(webs: tuple[Site, list[Member]]) -> None:
    site, processes = webs
    clients = [Client(site, web) for web in processes]
    version = clients[0].register_unit("fgw").body["version"]
    meetings = 0
    for number in range(ROUNDS):
        answers, met = _both(
            site,
            [
                lambda one=client, name=f"{number}-{who}", seen=f'"{version}"': one.post(
                    "/api/v1/units/fgw/rename", {"name": name}, If_Match=seen
                )
                for who, client in enumerate(clients)
            ],
        )
        meetings += met
        lost = [answer for answer in answers if answer.status != 200]
        assert sorted(answer.status for answer in answers) == [200, 412], answers
        assert lost[0].headers["Content-Type"] == "application/problem+json"
        assert lost[0].body["rule"] == "version-is-stale"
        version = max(answer.body["version"] for answer in answers if answer.status == 200)
        assert str(version) in lost[0].body["detail"], "the loser is told the version that there is now"
    assert meetings, "in no round had both decided before either was saved"


def test_without_if_match_both_writers_succeed(webs: tuple[Site, list[Member]]) -> None:
    site, processes = webs
    clients = [Client(site, web) for web in processes]
    versions = [clients[0].register_unit("fgw").body["version"]]
    meetings = 0
    for number in range(ROUNDS):
        answers, met = _both(
            site,
            [
                lambda one=client, name=f"{number}-{who}": one.post(
                    "/api/v1/units/fgw/rename", {"name": name}
                )
                for who, client in enumerate(clients)
            ],
        )
        meetings += met
        assert [answer.status for answer in answers] == [200, 200], answers
        versions += sorted(answer.body["version"] for answer in answers)
    assert versions == list(range(1, 2 * ROUNDS + 2))
    assert meetings, "in no round had both decided before either was saved"


@pytest.mark.parametrize("answered", [True, False])
def test_a_request_goes_on_at_another_process_after_kill_9(
    webs: tuple[Site, list[Member]], *, answered: bool
) -> None:
    site, (first, second) = webs
    body = {"id": "fgw", "name": "发展和改革委员会", "kind": "department"}
    one, other = (Client(site, web) for web in (first, second))
    before: list[Answer] = []

    def ask_first() -> None:
        try:
            before.append(one.post("/api/v1/units", body, Idempotency_Key="k-1"))
        except (OSError, HTTPException):
            return  # it was killed

    if answered:
        ask_first()
        site.kill(first)
    else:
        asking = threading.Thread(target=ask_first)
        with _nobody_saves(site) as waiting:
            asking.start()
            until(lambda: waiting() == 1, first.tail)
            site.kill(first)
        asking.join()
        assert before == []
    again = [other.post("/api/v1/units", body, Idempotency_Key="k-1") for _ in range(2)]
    assert [answer.status for answer in again] == [201, 201]
    assert again[0].body == again[1].body
    assert again[1].headers.get("Idempotency-Replayed") == "true"
    if answered:
        assert before[0].status == 201
        assert again[0].body == before[0].body
        assert again[0].headers.get("Idempotency-Replayed") == "true"
    assert site.rows("assignment", "SELECT count(*) FROM assignment_events") == [(1,)]
