"""A town with one desk and one enterprise, of which every service has heard; no process is left at work."""

from typing import Any

from services.enterprise.domain.credit_code import check_digit
from services.suite import SUITE
from shared.domain.aggregate import CommandContext
from shared.domain.roles import Role
from shared.process.config import Config
from shared.runtime.opening import open_service
from shared.testing import an_act

CREDIT_CODE = "91150623MA0N00001" + check_digit("91150623MA0N00001")
DESK_HEAD = "office/head"
CLERK = {"unit": "office", "post": DESK_HEAD, "role": Role.government_office}
UNITS = {"gov": "government", "office": "office"}
POSTS = {"gov/main-leader": "main_leader", "gov/vice-leader": "vice_leader", DESK_HEAD: "unit_head"}


def a_whistle(title: str) -> dict[str, str]:
    """The body of a POST: a whistle that the office's desk is to see to."""
    return {
        "credit_code": CREDIT_CODE,
        "category": "用地",
        "title": title,
        "text": "已等三个月。",
        "channel": "phone",
    }


def establish(config: Config) -> None:
    """Units and posts, the enterprise, the rulebook; told over Kafka to whoever needs them for a whistle."""
    clock = config.make_clock()
    runtimes = {name: open_service(service, config, clock, wait=0.1) for name, service in SUITE.items()}

    def act() -> CommandContext:
        return an_act(clock(), **CLERK)

    try:
        assignment: Any = runtimes["assignment"].app
        for unit, kind in UNITS.items():
            assignment.register_unit(act(), unit=unit, name=f"{unit}局", kind=kind)
        for post, role in POSTS.items():
            assignment.create_post(act(), post=post, title=post, role=role)
        enterprise: Any = runtimes["enterprise"].app
        enterprise.register_enterprise(act(), credit_code=CREDIT_CODE, name="煤化工公司")
        runtimes["supervision"].start("tick")
        for runtime in runtimes.values():
            while runtime.relay is not None and runtime.relay.step():
                pass
        last = assignment.log.max_notification_id() or 0
        for name in ("enterprise", "notify"):
            while not runtimes[name].views.reached("assignment", last):
                runtimes[name].views.project(runtimes[name].follower)
    finally:
        for runtime in runtimes.values():
            runtime.close()
