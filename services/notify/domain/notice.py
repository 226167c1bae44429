"""One notice to one post: what it says, whether it has left, who has read it, whether it still holds."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from shared.application.application import VersionIsStale
from shared.domain.aggregate import CommandContext
from shared.domain.lifecycle import Lifecycle, replace
from shared.domain.refusal import Refusal
from shared.events import notify
from shared.events.matter import Secrecy

Status = Literal["open", "acknowledged", "withdrawn"]
Colour = Literal["blue", "yellow", "red"]


class NotTheRecipient(Refusal):
    """该通知发给岗位 {post}，只能由该岗位签阅。
    This notice is addressed to the post {post}, and only that post acknowledges it."""

    status = 403


class NoticeAlreadyAcknowledged(Refusal):
    """该通知已经签阅，无需重复。
    This notice is acknowledged already."""


class NoticeIsWithdrawn(Refusal):
    """该通知已撤回，无需签阅。
    This notice has been withdrawn; there is nothing to acknowledge."""


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """A post in its unit; never a person (domain.md §1)."""

    unit: str
    post: str


@dataclass(frozen=True, kw_only=True)
class NoticeState:
    """通知: a notice that was issued. A digest is one too."""

    case_id: UUID | None = None
    clock: str
    cycle: int
    level: notify.Level
    colour: Colour
    to_unit: str
    to_post: str
    subject: str
    text: str
    not_before: datetime
    needs_acknowledgement: bool = False
    reminder: int = 0
    status: Status = "open"
    issued_at: datetime
    acknowledged_at: datetime | None = None
    note: str | None = None
    withdrawn_at: datetime | None = None
    ground: str | None = None
    deliver_at: datetime | None
    """None once it has left or was withdrawn."""
    delivered_at: datetime | None = None
    reference: str | None = None
    version: int
    """The version of its aggregate at which it last changed: what its reader has seen."""

    secrecy: ClassVar[Secrecy] = "internal"
    """The text of a secret matter's notice holds no more than its number."""

    @property
    def concerned(self) -> tuple[str, ...]:
        """The recipient's unit."""
        return (self.to_unit,)

    @property
    def to(self) -> Recipient:
        """Whom it tells."""
        return Recipient(unit=self.to_unit, post=self.to_post)

    @property
    def stands(self) -> bool:
        """Whether it has not been withdrawn."""
        return self.status != "withdrawn"


evolve = Lifecycle(NoticeState, begins=notify.NoticeIssued)


@evolve.register
def _(fact: notify.NoticeIssued, _: None, version: int) -> NoticeState:
    return NoticeState(
        case_id=fact.case_id,
        clock=fact.clock,
        cycle=fact.cycle,
        level=fact.level,
        colour=fact.colour,
        to_unit=fact.to_unit,
        to_post=fact.to_post,
        subject=fact.subject,
        text=fact.text,
        not_before=fact.not_before,
        needs_acknowledgement=fact.needs_acknowledgement,
        reminder=fact.reminder,
        issued_at=fact.timestamp,
        deliver_at=fact.not_before,
        version=version,
    )


@evolve.register
def _(fact: notify.NoticeWithdrawn, notice: NoticeState, version: int) -> NoticeState:
    return replace(
        notice,
        status="withdrawn",
        withdrawn_at=fact.timestamp,
        ground=fact.ground,
        deliver_at=None,
        version=version,
    )


@evolve.register
def _(fact: notify.NoticeAcknowledged, notice: NoticeState, version: int) -> NoticeState:
    return replace(
        notice, status="acknowledged", acknowledged_at=fact.happened_at, note=fact.note, version=version
    )


@evolve.register
def _(fact: notify.AcknowledgementExpired, notice: NoticeState, version: int) -> NoticeState:
    return replace(notice, status="open", version=version)


@evolve.register
def delivered(fact: notify.NoticeDelivered, notice: NoticeState) -> NoticeState:
    """It has left; its reader sees the same."""
    return replace(notice, deliver_at=None, delivered_at=fact.timestamp, reference=fact.reference)


# -- guards -------------------------------------------------------------------------------------------------------


def by_its_recipient(notice: NoticeState, act: CommandContext) -> None:
    """The post that was told acts."""
    if act.by.post != notice.to_post:
        raise NotTheRecipient(post=notice.to_post)


def as_seen(notice: NoticeState, act: CommandContext) -> None:
    """It has not changed since the actor saw it."""
    if act.expected_version not in (None, notice.version):
        raise VersionIsStale(expected=act.expected_version, actual=notice.version)


def is_unread(notice: NoticeState, act: CommandContext) -> None:
    """It stands and is not acknowledged."""
    if not notice.stands:
        raise NoticeIsWithdrawn
    if notice.status == "acknowledged":
        raise NoticeAlreadyAcknowledged
