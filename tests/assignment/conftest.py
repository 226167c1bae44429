"""A banner with a few units and posts, and the acts of the people in them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.assignment.__main__ import SERVICE
from services.assignment.application import Assignment
from services.assignment.domain import Task
from services.assignment.spreadsheets import UnitName
from shared.domain.aggregate import CommandContext
from shared.domain.refusal import Refusal
from shared.events.assignment import Support, Target
from shared.events.base import Fact
from shared.runtime.service import Service
from shared.testing import Caller, Opened, StoppedClock, an_act, kinds, shanghai
from shared.web.commands import carry_out

UNITS = {
    "gov": ("旗人民政府", "government"),
    "office": ("旗人民政府办公室", "office"),
    "inspect": ("旗人民政府督查室", "supervision"),
    "fgw": ("旗发展和改革委员会", "department"),
    "czj": ("旗财政局", "department"),
    "zrj": ("旗自然资源局", "department"),
    "angsu": ("昂素镇人民政府", "town"),
}
WHO = {
    "main_leader": ("gov", "gov/main-leader", "main_leader"),
    "vice_leader": ("gov", "gov/vice-leader", "vice_leader"),
    "other_vice": ("gov", "gov/vice-leader-2", "vice_leader"),
    "office": ("office", "office/director", "government_office"),
    "inspect": ("inspect", "inspect/chief", "supervision_office"),
    **{unit: (unit, f"{unit}/head", "unit_head") for unit in ("fgw", "czj", "zrj", "angsu")},
}
LIST = {"title": "2021年重点任务", "dated": date(2021, 1, 4), "leader_post": "gov/vice-leader"}
TASK: dict[str, Any] = {
    "number": "1",
    "title": "建成三个项目",
    "lead_unit": "fgw",
    "supporters": [Support(unit="czj", part="落实资金"), Support(unit="zrj", part="协助", required=False)],
    "target": Target(metric="建成项目", unit="个", value=Decimal(3)),
    "due_on": date(2021, 2, 7),
}


@dataclass
class Banner:
    """An opened assignment service and the people who use it."""

    opened: Opened
    clock: StoppedClock

    @property
    def app(self) -> Assignment:
        app: Assignment = self.opened["assignment"].app
        return app

    def act(self, who: str, **more: Any) -> CommandContext:
        unit, post, role = WHO[who]
        return an_act(self.clock(), unit, post, role, **more)

    def client(self, who: str) -> Caller:
        unit, post, role = WHO[who]
        return self.opened.client("assignment", role, unit, post)

    def new_list(self, **changed: Any) -> UUID:
        return UUID(self.app.open_list(self.act("office"), **{**LIST, **changed}).id)

    def new_task(self, list_id: UUID | None = None, **changed: Any) -> UUID:
        given = {**TASK, **changed}
        return UUID(self.app.assign_task(self.act("office"), list_id or self.new_list(), **given).id)

    def carry_out(self, command: str, act: CommandContext, *path: Any, **what: Any) -> Any:
        return carry_out(command, self.app, act, *path, **what)

    def do(self, who: str, command: str, *path: Any, **what: Any) -> Any:
        return self.carry_out(command, self.act(who), *path, **what)

    def forbids(self, who: str, path: str, **body: Any) -> None:
        """Whoever has another role than the command's own is refused, and nothing is written."""
        before = len(self.log())
        assert self.client(who).post(f"/api/v1/{path}", body).status_code == 403
        assert len(self.log()) == before

    def load(self, task: UUID) -> Task:
        return self.app.load(Task, task)

    def log(self) -> list[Fact]:
        return self.opened.log("assignment")

    def since(self, count: int) -> list[str]:
        return kinds(self.log()[count:])

    def refuses(self, refusal: type[Refusal], do: Callable[[], Any]) -> Refusal:
        """``do`` is refused under this name, and nothing at all was written."""
        before = len(self.log())
        with pytest.raises(refusal) as caught:
            do()
        assert type(caught.value) is refusal
        assert caught.value.text("zh") != caught.value.text("en")
        assert len(self.log()) == before
        return caught.value


@contextmanager
def banner_of(folder: Path, *services: Service) -> Iterator[Banner]:
    """Monday 2021-01-04, nine in the morning; units and posts are registered."""
    clock = StoppedClock(shanghai("2021-01-04 09:00"))
    with Opened(folder, clock, *services) as opened:
        banner = Banner(opened, clock)
        banner.app.register_units(
            banner.act("office"),
            [UnitName(unit, name, (), kind) for unit, (name, kind) in UNITS.items()],
            heads_since=date(2021, 1, 1),
        )
        for post, title in (("gov/vice-leader", "常务副旗长"), ("gov/vice-leader-2", "副旗长")):
            banner.app.create_post(banner.act("office"), post=post, title=title, role="vice_leader")
            banner.do("office", "appoint_holder", *post.split("/"), holder="某人", since=date(2020, 1, 1))
        banner.app.create_post(
            banner.act("office"), post="fgw/project-section", title="项目科科长", role="officer"
        )
        opened.settle()
        yield banner


@pytest.fixture
def banner(tmp_path: Path) -> Iterator[Banner]:
    with banner_of(tmp_path, SERVICE) as banner:
        yield banner
