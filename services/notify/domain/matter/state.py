"""A matter's state, and what each fact does to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.notify.domain import notice
from services.notify.domain.notice import NoticeState, Status
from shared.domain.lifecycle import Lifecycle, Parts, replace
from shared.events import notify
from shared.events.matter import Secrecy
from shared.rulebook import ROUND_ANSWER

ROUND = ROUND_ANSWER
"""The rulebook's clock of supervision rounds; the cycle is the round."""

MAIN_CLOCKS = {"task": "task_due", "whistle": "resolve_or_confirm"}
"""The clock whose ladder is used for a matter that is supervised before any of its clocks was missed."""
MAIN_CLOCK = "arrange"
"""That of every other kind: it has levels for supervision rounds, which a kind's own rows need not have."""


@dataclass(frozen=True, kw_only=True)
class MatterState:
    """通知事项: whom a case concerns, its notices, and the present or last escalation to the main leader 提级."""

    case_id: UUID
    kind: str
    number: str
    title: str
    unit: str
    post: str | None
    leader_post: str | None
    units: tuple[str, ...]
    """Every unit that it has concerned."""
    secrecy: Secrecy
    rulebook_version: int
    status: Status | None = None
    """How the escalation stands; None if there never was one."""
    to_post: str | None = None
    clock: str | None = None
    round: int | None = None
    opened_at: datetime | None = None
    reminders: int = 0
    next_reminder_at: datetime | None = None
    """When to remind, while it is open."""
    acknowledged_at: datetime | None = None
    note: str | None = None
    expires_at: datetime | None = None
    """When the acknowledgement expires, while it is acknowledged."""
    last_progress: str | None = None
    withdrawn_at: datetime | None = None
    ground: str | None = None
    version: int
    """The version at which the escalation last changed: what its reader has seen."""
    notices: Mapping[UUID, NoticeState] = field(default_factory=dict)

    @property
    def concerned(self) -> tuple[str, ...]:
        """Every unit that it has concerned."""
        return self.units

    @property
    def secret(self) -> bool:
        """Whether only the number may be written."""
        return self.secrecy == "secret"

    @property
    def escalated(self) -> bool:
        """Whether the main leader is told of it at present."""
        return self.status in ("open", "acknowledged")

    @property
    def due_at(self) -> datetime | None:
        """When to remind, or when the acknowledgement expires."""
        return self.next_reminder_at or self.expires_at

    @property
    def told(self) -> dict[UUID, NoticeState]:
        """The standing notices of the present escalation, oldest first."""
        of_it = (self.clock, self.round, "unresolved")
        return {
            id_: one
            for id_, one in self.notices.items()
            if one.stands and (one.clock, one.cycle, one.level) == of_it
        }

    @property
    def pressing_clocks(self) -> list[str]:
        """The clocks whose ladder may speak for a supervision round: those missed, latest first, then the main one."""
        missed = [one.clock for one in self.notices.values() if one.level == "missed" and one.clock != ROUND]
        return [*reversed(missed), MAIN_CLOCKS.get(self.kind, MAIN_CLOCK)]


evolve = Lifecycle(
    MatterState,
    begins=notify.MatterFollowed,
    parts={"notices": Parts(notice.evolve, lambda fact: fact.notice_id)},
)


@evolve.register
def _(fact: notify.MatterFollowed, _: None, version: int) -> MatterState:
    return MatterState(
        case_id=fact.case_id,
        kind=fact.kind,
        number=fact.number,
        title=fact.title,
        unit=fact.unit,
        post=fact.post,
        leader_post=fact.leader_post,
        units=(fact.unit, *fact.supporters),
        secrecy=fact.secrecy,
        rulebook_version=fact.rulebook_version,
        version=version,
    )


@evolve.register
def _(fact: notify.MatterPinned, matter: MatterState) -> MatterState:
    return replace(matter, rulebook_version=fact.rulebook_version)


@evolve.register
def _(fact: notify.MatterHandedOver, matter: MatterState) -> MatterState:
    return replace(matter, unit=fact.unit, post=fact.post, units=(*matter.units, fact.unit))


@evolve.register
def _(fact: notify.RoundSetAside, matter: MatterState) -> MatterState:
    return matter  # recorded by earlier releases, which counted the rounds here


@evolve.register
def _(fact: notify.EscalationOpened, matter: MatterState, version: int) -> MatterState:
    return replace(
        matter,
        status="open",
        to_post=fact.to_post,
        clock=fact.clock,
        round=fact.cycle,
        opened_at=fact.timestamp,
        reminders=0,
        next_reminder_at=fact.next_reminder_at,
        acknowledged_at=None,
        note=None,
        expires_at=None,
        last_progress=None,
        withdrawn_at=None,
        ground=None,
        version=version,
    )


@evolve.register
def _(fact: notify.EscalationReminded, matter: MatterState, version: int) -> MatterState:
    return replace(matter, reminders=fact.times, next_reminder_at=fact.next_reminder_at, version=version)


@evolve.register
def _(fact: notify.NoticeAcknowledged, matter: MatterState, version: int) -> MatterState:
    if not fact.escalated:
        return matter
    return replace(
        matter,
        status="acknowledged",
        acknowledged_at=fact.happened_at,
        note=fact.note,
        next_reminder_at=None,
        expires_at=fact.expires_at,
        version=version,
    )


@evolve.register
def _(fact: notify.ProgressSeen, matter: MatterState, version: int) -> MatterState:
    return replace(
        matter,
        last_progress=fact.what,
        expires_at=fact.expires_at or matter.expires_at,
        version=version,
    )


@evolve.register
def _(fact: notify.AcknowledgementExpired, matter: MatterState, version: int) -> MatterState:
    return replace(
        matter, status="open", next_reminder_at=fact.next_reminder_at, expires_at=None, version=version
    )


@evolve.register
def _(fact: notify.EscalationWithdrawn, matter: MatterState, version: int) -> MatterState:
    return replace(
        matter,
        status="withdrawn",
        withdrawn_at=fact.timestamp,
        ground=fact.ground,
        next_reminder_at=None,
        expires_at=None,
        version=version,
    )
