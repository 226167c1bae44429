"""Tables are made by one command; everybody else waits for it, however many start at once."""

from collections.abc import Callable

from services.suite import SUITE
from tests.faults.cluster import Member, until
from tests.roles.site import LONG, Client, Site, ask

ROUNDS = 10 if LONG else 3
ROLES = (
    ("assignment", "web"),
    ("assignment", "relay"),
    ("assignment", "project"),
    ("supervision", "react"),
    ("supervision", "tick"),
    ("enterprise", "project"),
    ("notify", "react"),
    ("notify", "deliver"),
)


def _reasons(member: Member) -> list[str]:
    """Why it is not ready; nothing while nobody listens."""
    try:
        answer = ask(member.port, "GET", "/readyz", {}, None, 15)
    except OSError:
        return []
    return list(answer.body["reasons"])


def _tables(site: Site, service: str) -> list[str]:
    sql = "SELECT tablename FROM pg_tables WHERE schemaname='public' ORDER BY 1"
    return [name for (name,) in site.rows(service, sql)]


def test_without_tables_everybody_waits_and_makes_none(new_site: Callable[..., Site]) -> None:
    site = new_site(migrated=False)
    members = [site.add(service, role) for service, role in ROLES]
    for member in members:
        until(lambda one=member: any("duban migrate" in reason for reason in _reasons(one)), member.tail)
    assert Client(site, members[0]).get("/api/v1/units").is_away()
    assert {service: _tables(site, service) for service in SUITE} == {service: [] for service in SUITE}

    several = [site.duban("migrate") for _ in range(4)]
    said = [one.communicate() for one in several]
    assert [one.returncode for one in several] == [0] * 4, said
    site.wait_until_ready()
    assert all(f"{service}_events" in _tables(site, service) for service in SUITE)


def test_eight_processes_start_at_once_on_new_tables(new_site: Callable[..., Site]) -> None:
    ready = 0
    for _ in range(ROUNDS):
        site = new_site(migrated=False)
        migration = site.duban("migrate")
        said = migration.communicate()
        assert migration.returncode == 0, said
        members = [site.add(service, role) for service, role in ROLES]
        site.wait_until_ready()
        ready += len(members)
        site.close()
    assert ready == ROUNDS * len(ROLES)
