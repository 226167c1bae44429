"""The matter: one supervision case as the notifier follows it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from services.notify.domain.notice import Deliverable, Notice, Recipient
from shared.application.application import NoSuchThing, VersionIsStale
from shared.domain.aggregate import Aggregate, Change, CommandContext, Creation, stable_id
from shared.domain.refusal import Refusal
from shared.events import notify

CASE = "case"
"""The clock of notices about the matter itself, which no clock of the rulebook causes."""

ROUND = "round_answer"
"""The rulebook's clock of supervision rounds; the cycle is the round."""

NAMING = "naming"
CORRECTION = "naming_correction"
OBJECTION = "objection_window"

UNTIL_LIFTED = frozenset({OBJECTION, NAMING, CORRECTION})
"""What the end of a case does not withdraw: the notices of a naming stand until its own facts take them back, which
may be heard before or after those of the case."""

MAIN_CLOCKS = {
    "task": "task_due",
    "duty": "arrange",
    "whistle": "resolve_or_confirm",
    "trip": "arrange",
    "period": "arrange",
}
"""The clock whose ladder speaks for a matter that is supervised before any of its clocks was missed; a kind of matter
whose rows are nobody's but the rulebook's borrows one that every rulebook has."""

SECOND = 2
"""Measure 10: unresolved after the second supervision goes to the main leader."""

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


class EscalationAlreadyAcknowledged(Refusal):
    """该提级事项已经签阅，签阅失效后方可再次签阅。
    This escalation is acknowledged already; it can be acknowledged again once that has expired."""


class EscalationIsWithdrawn(Refusal):
    """该提级事项已撤销，无需签阅。
    This escalation has been withdrawn; there is nothing to acknowledge."""


@dataclass(frozen=True, kw_only=True)
class Escalation:
    """What the main leader was told after the second supervision; at most one at a time for a matter."""

    to: Recipient
    clock: str
    cycle: int
    state: Literal["open", "acknowledged", "withdrawn"]
    times: int
    """How often he was reminded."""
    due_at: datetime
    """When to remind (open), or when the acknowledgement expires (acknowledged)."""
    version: int


class Matter(Aggregate):
    """通知事项: whom a case concerns, which notices stand, whether the main leader has been told.

    Never two standing notices for one (case, clock, level, cycle), recipient and reminder; one that was withdrawn
    may be issued anew, because its cause came back.
    """

    TOPIC = "notify.matter"
    case_id: UUID
    kind: str
    _number: str
    title: str
    unit: str
    post: str | None
    leader_post: str | None
    secrecy: str
    rulebook_version: int
    notices: dict[UUID, Notice]
    delivered: frozenset[UUID]
    escalation: Escalation | None
    set_aside: frozenset[int]

    @staticmethod
    def id_of(case_id: UUID) -> UUID:
        """The id of the one matter of this case."""
        return stable_id("matter", case_id)

    @property
    def number(self) -> str:
        """The case's number."""
        return self._number

    @property
    def status(self) -> str:
        """How far it has been escalated: ``followed``, or the state of the escalation."""
        return "followed" if self.escalation is None else self.escalation.state

    @property
    def secret(self) -> bool:
        """Whether only the number may be written."""
        return self.secrecy == "secret"

    @property
    def pressing_clocks(self) -> list[str]:
        """The clocks whose ladder may speak for a supervision round: those missed, latest first, then the main one."""
        missed = [
            notice.clock
            for notice in self.notices.values()
            if notice.level == "missed" and notice.clock != ROUND
        ]
        return [*reversed(missed), MAIN_CLOCKS[self.kind]]

    # -- following -----------------------------------------------------------------------------------------------

    class Followed(notify.MatterFollowed, Creation):
        def apply(self, matter: "Matter") -> None:
            matter.case_id = self.case_id
            matter.kind = self.kind
            matter._number = self.number
            matter.title = self.title
            matter.unit = self.unit
            matter.post = self.post
            matter.leader_post = self.leader_post
            matter.secrecy = self.secrecy
            matter.rulebook_version = self.rulebook_version
            matter.notices = {}
            matter.delivered = frozenset()
            matter.escalation = None
            matter.set_aside = frozenset()

    def pin(self, act: CommandContext, rulebook_version: int) -> None:
        """Follow the rulebook under which the case was opened."""
        if rulebook_version != self.rulebook_version:
            self.record(Matter.Pinned, act, rulebook_version=rulebook_version)

    class Pinned(notify.MatterPinned, Change):
        def apply(self, matter: "Matter") -> None:
            matter.rulebook_version = self.rulebook_version

    def hand_over(self, act: CommandContext, *, unit: str, post: str | None) -> None:
        """Another unit leads: its post is the officer from now on, and the former's assignment no longer holds."""
        if (unit, post) == (self.unit, self.post):
            return
        self.record(Matter.HandedOver, act, unit=unit, post=post)
        self.withdraw(act, "已改派其他单位", lambda notice: notice.clock == CASE)

    class HandedOver(notify.MatterHandedOver, Change):
        def apply(self, matter: "Matter") -> None:
            matter.unit = self.unit
            matter.post = self.post

    # -- telling -------------------------------------------------------------------------------------------------

    def tell(
        self,
        act: CommandContext,
        to: Recipient,
        *,
        clock: str,
        cycle: int,
        level: notify.Level,
        colour: Colour,
        subject: str,
        text: str,
        not_before: datetime,
        needs_acknowledgement: bool = False,
        reminder: int = 0,
    ) -> None:
        """Issue a notice, unless the same one stands already."""
        key = (clock, cycle, level, to.post, reminder)
        same = [
            notice
            for notice in self.notices.values()
            if (notice.clock, notice.cycle, notice.level, notice.to.post, notice.reminder) == key
        ]
        if any(notice.stands for notice in same):
            return
        which = [f"reminder-{reminder}"] if reminder else []
        which += [f"again-{len(same)}"] if same else []
        self.record(
            Matter.NoticeIssued,
            act,
            notice_id=stable_id("notice", self.case_id, clock, level, cycle, to.post, *which),
            clock=clock,
            cycle=cycle,
            level=level,
            colour=colour,
            to_unit=to.unit,
            to_post=to.post,
            subject=subject,
            text=text,
            not_before=not_before,
            needs_acknowledgement=needs_acknowledgement,
            reminder=reminder,
            case_id=self.case_id,
        )

    class NoticeIssued(notify.NoticeIssued, Change):
        def apply(self, matter: "Matter") -> None:
            matter.notices[self.notice_id] = Notice(
                notice_id=self.notice_id,
                clock=self.clock,
                cycle=self.cycle,
                level=self.level,
                to=Recipient(unit=self.to_unit, post=self.to_post),
                reminder=self.reminder,
                subject=self.subject,
                text=self.text,
                colour=self.colour,
                not_before=self.not_before,
                state="open",
                version=self.originator_version,
            )

    def withdraw(self, act: CommandContext, ground: str, which: Callable[[Notice], bool]) -> None:
        """Withdraw the standing notices for which ``which`` holds; an escalation has its own way."""
        for notice in list(self.notices.values()):
            if notice.stands and notice.level != "unresolved" and which(notice):
                self.record(Matter.NoticeWithdrawn, act, notice_id=notice.notice_id, ground=ground)

    def withdraw_of_clock(
        self, act: CommandContext, ground: str, clock: str, cycle: int, *levels: notify.Level
    ) -> None:
        """Withdraw the standing notices of one clock and cycle at these levels."""
        self.withdraw(
            act,
            ground,
            lambda notice: (notice.clock, notice.cycle) == (clock, cycle) and notice.level in levels,
        )

    class NoticeWithdrawn(notify.NoticeWithdrawn, Change):
        def apply(self, matter: "Matter") -> None:
            matter._changed(self.notice_id, "withdrawn", self.originator_version)

    def _changed(self, notice_id: UUID, state: str, version: int) -> None:
        self.notices[notice_id] = replace(self.notices[notice_id], state=state, version=version)

    def deliver(self, act: CommandContext, notice_id: UUID, *, reference: str) -> None:
        """Record that a standing notice left, once."""
        if self.notices[notice_id].stands and notice_id not in self.delivered:
            self.record(Matter.Delivered, act, notice_id=notice_id, channel="eml", reference=reference)

    class Delivered(notify.NoticeDelivered, Change):
        # A digest records it too: the library knows one class for one event.
        def apply(self, told: Deliverable) -> None:
            told.delivered = told.delivered | {self.notice_id}

    # -- resolution ----------------------------------------------------------------------------------------------

    def resolve_round(self, act: CommandContext, ground: str) -> None:
        """The supervised matter is resolved: what pressed for it no longer holds, the assignment itself does."""
        self.withdraw_escalation(act, ground)
        self.withdraw(act, ground, lambda notice: notice.clock not in UNTIL_LIFTED | {CASE})

    def close(self, act: CommandContext, ground: str) -> None:
        """Nothing is left to supervise; only a published naming stands until it is lifted."""
        self.withdraw_escalation(act, ground)
        self.withdraw(act, ground, lambda notice: notice.clock not in UNTIL_LIFTED)

    def put_on_track(self, act: CommandContext, round: int) -> None:  # noqa: A002 - the published field's name
        """The round ended well enough: its demand is met, and an escalation that rested on it loses its ground."""
        ground = f"第{round}轮督办认定为按序推进"
        self.withdraw_of_clock(act, ground, ROUND, round, "round1", "round2")
        if self.escalation is not None and self.escalation.cycle == round:
            self.withdraw_escalation(act, ground)

    def set_round_aside(self, act: CommandContext, round: int, ground: str) -> None:  # noqa: A002
        """The round neither counts nor resets: its notices go, and an escalation that needed it."""
        if round not in self.set_aside:
            self.record(Matter.RoundSetAside, act, round=round, ground=ground)
        self.withdraw_of_clock(act, ground, ROUND, round, "round1", "round2")
        escalation = self.escalation
        if escalation is not None and (escalation.cycle == round or not self.is_second(escalation.cycle)):
            self.withdraw_escalation(act, ground)

    class RoundSetAside(notify.RoundSetAside, Change):
        def apply(self, matter: "Matter") -> None:
            matter.set_aside = matter.set_aside | {self.round}

    def is_second(self, round: int) -> bool:  # noqa: A002
        """Whether ``round`` is at least the second supervision that counts."""
        return round - sum(1 for aside in self.set_aside if aside <= round) >= SECOND

    # -- escalation ----------------------------------------------------------------------------------------------

    def escalate(
        self,
        act: CommandContext,
        to: Recipient,
        *,
        round: int,  # noqa: A002
        subject: str,
        text: str,
        not_before: datetime,
        next_reminder_at: datetime,
    ) -> None:
        """Tell the main leader that the second (or a later) supervision left it unresolved; he is to acknowledge."""
        if self.escalation is not None and self.escalation.state != "withdrawn":
            if self.escalation.cycle == round:
                return
            self.withdraw_escalation(act, f"第{round}轮督办仍未解决，另行提请")
        self.tell(
            act,
            to,
            clock=ROUND,
            cycle=round,
            level="unresolved",
            colour="red",
            subject=subject,
            text=text,
            not_before=not_before,
            needs_acknowledgement=True,
        )
        self.record(
            Matter.Escalated,
            act,
            to_post=to.post,
            clock=ROUND,
            cycle=round,
            next_reminder_at=next_reminder_at,
        )

    class Escalated(notify.EscalationOpened, Change):
        def apply(self, matter: "Matter") -> None:
            told = [n for n in matter.notices.values() if n.level == "unresolved" and n.cycle == self.cycle]
            matter.escalation = Escalation(
                to=told[-1].to,
                clock=self.clock,
                cycle=self.cycle,
                state="open",
                times=0,
                due_at=self.next_reminder_at,
                version=self.originator_version,
            )

    def _told(self) -> list[Notice]:
        """The standing notices of the present escalation, oldest first."""
        escalation = self.escalation
        return [
            notice
            for notice in self.notices.values()
            if escalation is not None
            and notice.stands
            and (notice.clock, notice.cycle, notice.level)
            == (escalation.clock, escalation.cycle, "unresolved")
        ]

    def is_due(self, now: datetime) -> bool:
        """Whether the escalation's time has come: to remind, or for the acknowledgement to expire."""
        escalation = self.escalation
        return escalation is not None and escalation.state != "withdrawn" and escalation.due_at <= now

    def remind(
        self,
        act: CommandContext,
        *,
        subject: str,
        text: str,
        not_before: datetime,
        next_reminder_at: datetime,
    ) -> None:
        """Remind the main leader once, however many days went by, if the time has come."""
        escalation = self.escalation
        if escalation is None or escalation.state != "open" or not self.is_due(act.recorded_at):
            return
        times = escalation.times + 1
        self.tell(
            act,
            escalation.to,
            clock=escalation.clock,
            cycle=escalation.cycle,
            level="unresolved",
            colour="red",
            subject=subject,
            text=text,
            not_before=not_before,
            needs_acknowledgement=True,
            reminder=times,
        )
        self.record(
            Matter.Reminded,
            act,
            times=times,
            notice_id=self._told()[-1].notice_id,
            next_reminder_at=next_reminder_at,
        )

    class Reminded(notify.EscalationReminded, Change):
        def apply(self, matter: "Matter") -> None:
            assert matter.escalation is not None
            matter.escalation = replace(
                matter.escalation,
                times=self.times,
                due_at=self.next_reminder_at,
                version=self.originator_version,
            )

    def acknowledge(
        self, act: CommandContext, notice_id: UUID, *, note: str, expires_on: date, expires_at: datetime
    ) -> None:
        """The recipient has read it. Reading any notice of an escalation acknowledges the escalation.

        Raises NoSuchThing, VersionIsStale, NotTheRecipient, NoticeIsWithdrawn, NoticeAlreadyAcknowledged.
        """
        notice = self.notices.get(notice_id)
        if notice is None:
            raise NoSuchThing(kind="Notice", id=notice_id)
        if act.by.post != notice.to.post:
            raise NotTheRecipient(post=notice.to.post)
        if act.expected_version not in (None, notice.version):
            raise VersionIsStale(expected=act.expected_version, actual=notice.version)
        if not notice.stands:
            raise NoticeIsWithdrawn()
        if notice.state == "acknowledged":
            raise NoticeAlreadyAcknowledged()
        told = self._told()
        escalated = notice in told
        unread = [other for other in told if other.state == "open"] if escalated else [notice]
        for one in unread:
            self.record(
                Matter.NoticeAcknowledged,
                act,
                notice_id=one.notice_id,
                post=act.by.post,
                note=note,
                expires_on=expires_on,
                expires_at=expires_at,
                escalated=escalated,
            )

    def acknowledge_escalation(
        self, act: CommandContext, *, note: str, expires_on: date, expires_at: datetime
    ) -> None:
        """The main leader has taken note; reminders rest until it expires.

        Raises NoSuchThing, VersionIsStale, NotTheRecipient, EscalationIsWithdrawn, EscalationAlreadyAcknowledged.
        """
        escalation = self.escalation
        if escalation is None:
            raise NoSuchThing(kind="Escalation", id=self.id)
        if act.by.post != escalation.to.post:
            raise NotTheRecipient(post=escalation.to.post)
        if act.expected_version not in (None, escalation.version):
            raise VersionIsStale(expected=act.expected_version, actual=escalation.version)
        if escalation.state == "withdrawn":
            raise EscalationIsWithdrawn()
        if escalation.state == "acknowledged":
            raise EscalationAlreadyAcknowledged()
        unread = [notice for notice in self._told() if notice.state == "open"]
        self.acknowledge(
            replace(act, expected_version=None),
            unread[-1].notice_id,
            note=note,
            expires_on=expires_on,
            expires_at=expires_at,
        )

    class NoticeAcknowledged(notify.NoticeAcknowledged, Change):
        def apply(self, matter: "Matter") -> None:
            matter._changed(self.notice_id, "acknowledged", self.originator_version)
            if self.escalated and matter.escalation is not None:
                matter.escalation = replace(
                    matter.escalation,
                    state="acknowledged",
                    due_at=self.expires_at,
                    version=self.originator_version,
                )

    def see_progress(self, act: CommandContext, what: str, *, expires_at: datetime) -> None:
        """Something moved: the acknowledgement holds longer. Nothing is recorded unless it does, to keep logs small."""
        escalation = self.escalation
        if (
            escalation is not None
            and escalation.state == "acknowledged"
            and act.recorded_at < escalation.due_at < expires_at
        ):
            self.record(Matter.ProgressSeen, act, what=what, expires_at=expires_at)

    class ProgressSeen(notify.ProgressSeen, Change):
        def apply(self, matter: "Matter") -> None:
            if matter.escalation is not None and self.expires_at is not None:
                matter.escalation = replace(
                    matter.escalation, due_at=self.expires_at, version=self.originator_version
                )

    def expire(self, act: CommandContext, *, next_reminder_at: datetime) -> None:
        """Nothing moved since the acknowledgement: reminding begins again, if the time has come."""
        escalation = self.escalation
        if escalation is None or escalation.state != "acknowledged" or not self.is_due(act.recorded_at):
            return
        self.record(
            Matter.Expired,
            act,
            notice_id=self._told()[-1].notice_id,
            next_reminder_at=next_reminder_at,
        )

    class Expired(notify.AcknowledgementExpired, Change):
        def apply(self, matter: "Matter") -> None:
            matter._changed(self.notice_id, "open", self.originator_version)
            if matter.escalation is not None:
                matter.escalation = replace(
                    matter.escalation,
                    state="open",
                    due_at=self.next_reminder_at,
                    version=self.originator_version,
                )

    def withdraw_escalation(self, act: CommandContext, ground: str) -> None:
        """The escalation lost its ground; its notices go with it."""
        if self.escalation is None or self.escalation.state == "withdrawn":
            return
        for notice in self._told():
            self.record(Matter.NoticeWithdrawn, act, notice_id=notice.notice_id, ground=ground)
        self.record(Matter.EscalationWithdrawn, act, ground=ground)

    class EscalationWithdrawn(notify.EscalationWithdrawn, Change):
        def apply(self, matter: "Matter") -> None:
            if matter.escalation is not None:
                matter.escalation = replace(
                    matter.escalation, state="withdrawn", version=self.originator_version
                )
