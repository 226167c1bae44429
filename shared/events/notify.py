"""What the notify service tells: who was told what, when, and whether it was acknowledged (measures 8, 10 and 13)."""

from dataclasses import dataclass
from datetime import date
from typing import Literal
from uuid import UUID

from shared.events.base import Fact, Moment
from shared.events.matter import CaseKind, Secrecy

Level = Literal[
    "assigned",
    "started",
    "approaching",
    "rescheduled",
    "missed",
    "round1",
    "round2",
    "unresolved",
    "naming",
    "withdrawn",
    "digest",
]


@dataclass(frozen=True, kw_only=True)
class MatterFollowed(Fact):
    """纳入通知: the notifier follows a case and knows whom it concerns."""

    TOPIC = "notify.matter_followed"
    case_id: UUID
    kind: CaseKind
    number: str
    title: str
    unit: str
    post: str | None = None
    supporters: tuple[str, ...] = ()
    leader_post: str | None = None
    secrecy: Secrecy = "public"
    rulebook_version: int


@dataclass(frozen=True, kw_only=True)
class MatterPinned(Fact):
    """适用规则版本: supervision opened the case under another rulebook than was in force when the matter began."""

    TOPIC = "notify.matter_pinned"
    rulebook_version: int


@dataclass(frozen=True, kw_only=True)
class MatterHandedOver(Fact):
    """通知对象变更: another unit and post answer for the matter from now on."""

    TOPIC = "notify.matter_handed_over"
    unit: str
    post: str | None = None


@dataclass(frozen=True, kw_only=True)
class NoticeIssued(Fact):
    """发出通知: one notice to one post; never two for one (case, clock, level, cycle) and recipient.

    Nobody is disturbed before ``not_before``, the next working morning, unless it is an incident.
    """

    TOPIC = "notify.notice_issued"
    notice_id: UUID
    clock: str
    cycle: int
    level: Level
    colour: Literal["blue", "yellow", "red"]
    to_unit: str
    to_post: str
    subject: str
    text: str
    not_before: Moment
    needs_acknowledgement: bool = False
    reminder: int = 0
    case_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class NoticeWithdrawn(Fact):
    """撤回通知: the matter was resolved or the miss retracted, so the notice no longer holds."""

    TOPIC = "notify.notice_withdrawn"
    notice_id: UUID
    ground: str


@dataclass(frozen=True, kw_only=True)
class NoticeAcknowledged(Fact):
    """已阅: the recipient acknowledged; reminders rest until the acknowledgement expires."""

    TOPIC = "notify.notice_acknowledged"
    notice_id: UUID
    post: str
    note: str = ""
    expires_on: date
    expires_at: Moment
    escalated: bool = False
    """Whether an open escalation rests with it: only then does the expiry mean anything."""


@dataclass(frozen=True, kw_only=True)
class EscalationOpened(Fact):
    """提级: unresolved after the second supervision; the main leader is told and reminded until he acknowledges."""

    TOPIC = "notify.escalation_opened"
    to_post: str
    clock: str
    cycle: int
    next_reminder_at: Moment


@dataclass(frozen=True, kw_only=True)
class EscalationReminded(Fact):
    """催告: the main leader was reminded for the ``times``-th time."""

    TOPIC = "notify.escalation_reminded"
    times: int
    notice_id: UUID
    next_reminder_at: Moment


@dataclass(frozen=True, kw_only=True)
class AcknowledgementExpired(Fact):
    """已阅失效: nothing moved since the acknowledgement; reminding begins again."""

    TOPIC = "notify.acknowledgement_expired"
    notice_id: UUID
    next_reminder_at: Moment


@dataclass(frozen=True, kw_only=True)
class EscalationWithdrawn(Fact):
    """撤销提级: the matter was resolved or what led to the escalation was withdrawn."""

    TOPIC = "notify.escalation_withdrawn"
    ground: str


@dataclass(frozen=True, kw_only=True)
class NoticeDelivered(Fact):
    """通知送达: the notice left by a channel."""

    TOPIC = "notify.notice_delivered"
    notice_id: UUID
    channel: Literal["eml", "smtp", "webhook"]
    reference: str


@dataclass(frozen=True, kw_only=True)
class DigestSent(Fact):
    """每日摘要: one digest a unit and working day of what is open, approaching and missed."""

    TOPIC = "notify.digest_sent"
    unit: str
    post: str
    day: date
    notice_id: UUID
    subject: str
    text: str


@dataclass(frozen=True, kw_only=True)
class ProgressSeen(Fact):
    """有进展: something moved in the matter, so an acknowledgement does not expire for want of movement."""

    TOPIC = "notify.progress_seen"
    what: str
    expires_at: Moment | None = None
    """Until when the acknowledgement holds now that something has moved."""


@dataclass(frozen=True, kw_only=True)
class RoundSetAside(Fact):
    """督办轮次不计: the round was voided or an objection upheld: it counts no more towards the second supervision."""

    TOPIC = "notify.round_set_aside"
    RETIRED = True
    round: int
    ground: str


@dataclass(frozen=True, kw_only=True)
class NamingFollowed(Fact):
    """纳入通报通知: the notifier knows the case and unit of a naming, so that lifting it withdraws its notice."""

    TOPIC = "notify.naming_followed"
    naming_id: UUID
    case_id: UUID
    unit: str
    cycle: int
    """The last round of the streak: one naming per streak."""
