"""A desk is told of a whistle whatever becomes of supervision (decision 10)."""

import multiprocessing
from uuid import UUID

from shared.domain.case_id import case_id
from shared.domain.roles import Role
from shared.events import enterprise, notify, supervision
from tests import town
from tests.faults.cluster import until
from tests.roles.site import Client, Site


def _count(site: Site, service: str, topic: str) -> int:
    return int(site.rows(service, f"SELECT count(*) FROM {service}_events WHERE topic=%s", topic)[0][0])


def _all_is_heard(site: Site) -> bool:
    """Whether notify has reacted to the last fact in supervision's log."""
    marks = "SELECT max(position) FROM inbox_marks WHERE consumer='react' AND source='supervision'"
    last = "SELECT max(notification_id) FROM supervision_events"
    return bool(site.rows("notify", marks) == site.rows("supervision", last))


def test_the_desk_is_told_while_no_process_of_supervision_runs_and_not_again_when_they_come_back(
    site: Site,
) -> None:
    founding = multiprocessing.get_context("spawn").Process(target=town.establish, args=(site.direct,))
    founding.start()
    founding.join()
    assert founding.exitcode == 0
    web = site.add("enterprise", "web")
    inbox = site.add("notify", "web")
    site.add("enterprise", "relay")
    for role in ("react", "relay", "project"):
        site.add("notify", role)
    site.wait_until_ready()
    assert "supervision" not in {one.service for one in site.members}

    blown = Client(site, web, post=town.CLERK["post"]).post(
        "/api/v1/whistles", town.a_whistle("项目用地手续")
    )
    assert blown.status == 201, blown
    case = case_id("whistle", UUID(blown.body["id"]))
    head = Client(site, inbox, post=town.DESK_HEAD, role=Role.unit_head)
    mine = f"/api/v1/notices?case_id={case}"
    until(lambda: head.get(mine).body["items"] != [], site.tail)
    [notice] = head.get(mine).body["items"]
    assert (notice["level"], notice["state"]) == ("assigned", "open")
    assert _count(site, "supervision", supervision.CaseOpened.TOPIC) == 0

    for role in ("react", "relay"):
        site.add("supervision", role)
    until(lambda: _count(site, "supervision", supervision.CaseOpened.TOPIC) == 1, site.tail)
    until(lambda: _all_is_heard(site), site.tail)
    assert head.get(mine).body["items"] == [notice]
    assert _count(site, "enterprise", enterprise.WhistleBlown.TOPIC) == 1
    assert _count(site, "notify", notify.NoticeIssued.TOPIC) == 1
