"""What is decided about a matter: whom to tell, once; what no longer holds; when to escalate and to remind."""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from uuid import UUID

from services.notify.domain.matter.state import ROUND, MatterState, evolve
from services.notify.domain.notice import (
    Colour,
    NoticeState,
    NotTheRecipient,
    Recipient,
    as_seen,
    by_its_recipient,
    is_unread,
)
from shared.application.application import NoSuchThing, VersionIsStale
from shared.domain.aggregate import Aggregate, CommandContext, stable_id
from shared.domain.clock import close_of
from shared.domain.guards import requires
from shared.domain.refusal import Refusal
from shared.events import notify
from shared.rulebook import LATE_ENTRY, OBJECTION_WINDOW

CASE = "case"
"""The clock of notices about the matter itself, which no clock of the rulebook causes."""

NAMING = "naming"
CORRECTION = "naming_correction"

UNTIL_LIFTED = frozenset({OBJECTION_WINDOW, NAMING, CORRECTION, LATE_ENTRY})
"""What the end of a case does not withdraw: the notices of a naming stand until its own facts take them back, which
may be heard before or after those of the case; what was entered late is still to be confirmed."""


class EscalationAlreadyAcknowledged(Refusal):
    """该提级事项已经签阅，签阅失效后方可再次签阅。
    This escalation is acknowledged already; it can be acknowledged again once that has expired."""


class EscalationIsWithdrawn(Refusal):
    """该提级事项已撤销，无需签阅。
    This escalation has been withdrawn; there is nothing to acknowledge."""


# -- guards -------------------------------------------------------------------------------------------------------


def the_notice(matter: MatterState, act: CommandContext, notice_id: UUID) -> NoticeState:
    """The notice that a decision is about."""
    if notice_id not in matter.notices:
        raise NoSuchThing(kind="Notice", id=notice_id)
    return matter.notices[notice_id]


def by_the_leader_who_was_told(matter: MatterState, act: CommandContext) -> None:
    """The post to which it was escalated acts."""
    if act.by.post != matter.to_post:
        raise NotTheRecipient(post=matter.to_post)


def escalation_as_seen(matter: MatterState, act: CommandContext) -> None:
    """The escalation has not changed since the actor saw it."""
    if act.expected_version not in (None, matter.version):
        raise VersionIsStale(expected=act.expected_version, actual=matter.version)


def awaits_acknowledgement(matter: MatterState, act: CommandContext) -> None:
    """The escalation is open."""
    if matter.status == "withdrawn":
        raise EscalationIsWithdrawn
    expired = matter.expires_at is not None and matter.expires_at <= act.recorded_at
    if matter.status == "acknowledged" and not expired:
        raise EscalationAlreadyAcknowledged


class Matter(Aggregate, lifecycle=evolve):
    """通知事项: whom a case concerns, which notices stand, whether the main leader has been told.

    Never two standing notices for one (case, clock, level, cycle), recipient and reminder; one that was withdrawn
    may be issued anew, because its cause came back.
    """

    TOPIC = "notify.matter"
    state: MatterState

    @staticmethod
    def id_of(case_id: UUID) -> UUID:
        """The id of the one matter of this case."""
        return stable_id("matter", case_id)

    @property
    def status(self) -> str:
        """How far it has been escalated: ``followed``, or the state of the escalation."""
        return self.state.status or "followed"

    @property
    def notices(self) -> "dict[UUID, NoticeState]":
        """Every notice that was issued."""
        return dict(self.state.notices)

    # -- following ------------------------------------------------------------------------------------------------

    def pin(self, act: CommandContext, *, rulebook_version: int) -> None:
        """Follow the rulebook under which the case was opened."""
        if rulebook_version != self.state.rulebook_version:
            self.record(notify.MatterPinned, act, rulebook_version=rulebook_version)

    def hand_over(self, act: CommandContext, *, unit: str, post: str | None) -> None:
        """Another unit leads: its post is the officer from now on, and the former's assignment no longer holds."""
        if (unit, post) == (self.state.unit, self.state.post):
            return
        self.record(notify.MatterHandedOver, act, unit=unit, post=post)
        self.withdraw(act, ground="已改派其他单位", which=lambda notice: notice.clock == CASE)

    # -- telling --------------------------------------------------------------------------------------------------

    def tell(
        self,
        act: CommandContext,
        *,
        to: Recipient,
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
            for notice in self.state.notices.values()
            if (notice.clock, notice.cycle, notice.level, notice.to_post, notice.reminder) == key
        ]
        if any(notice.stands for notice in same):
            return
        which = [f"reminder-{reminder}"] if reminder else []
        which += [f"again-{len(same)}"] if same else []
        case_id = self.state.case_id
        self.record(
            notify.NoticeIssued,
            act,
            notice_id=stable_id("notice", case_id, clock, level, cycle, to.post, *which),
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
            case_id=case_id,
        )

    def withdraw(self, act: CommandContext, *, ground: str, which: Callable[[NoticeState], bool]) -> None:
        """Withdraw the standing notices for which ``which`` holds; an escalation has its own way."""
        for notice_id, notice in self.state.notices.items():
            if notice.stands and notice.level != "unresolved" and which(notice):
                self.record(notify.NoticeWithdrawn, act, notice_id=notice_id, ground=ground)

    def withdraw_of_clock(
        self, act: CommandContext, *levels: notify.Level, ground: str, clock: str, cycle: int
    ) -> None:
        """Withdraw the standing notices of one clock and cycle at these levels."""
        self.withdraw(
            act,
            ground=ground,
            which=lambda notice: (notice.clock, notice.cycle) == (clock, cycle) and notice.level in levels,
        )

    def deliver(self, act: CommandContext, *, notice_id: UUID, reference: str) -> None:
        """Record that a standing notice left, once."""
        if self.state.notices[notice_id].deliver_at is not None:
            self.record(notify.NoticeDelivered, act, notice_id=notice_id, channel="eml", reference=reference)

    # -- resolution -----------------------------------------------------------------------------------------------

    def resolve_round(self, act: CommandContext, *, ground: str) -> None:
        """The supervised matter is resolved: what pressed for it no longer holds, the assignment itself does."""
        self.withdraw_escalation(act, ground=ground)
        self.withdraw(act, ground=ground, which=lambda notice: notice.clock not in UNTIL_LIFTED | {CASE})

    def close(self, act: CommandContext, *, ground: str) -> None:
        """Nothing is left to supervise; only a published naming stands until it is lifted."""
        self.withdraw_escalation(act, ground=ground)
        self.withdraw(act, ground=ground, which=lambda notice: notice.clock not in UNTIL_LIFTED)

    def end_round(self, act: CommandContext, *, round: int, ground: str) -> None:  # noqa: A002 - the field's name
        """The round was judged well, is void or does not count: what it demands no longer holds."""
        self.withdraw_of_clock(act, "round1", "round2", ground=ground, clock=ROUND, cycle=round)

    # -- escalation -----------------------------------------------------------------------------------------------

    def escalate(
        self,
        act: CommandContext,
        *,
        to: Recipient,
        round: int,  # noqa: A002
        subject: str,
        text: str,
        not_before: datetime,
        next_reminder_at: datetime,
    ) -> None:
        """Tell the main leader that the second (or a later) supervision left it unresolved; he is to acknowledge."""
        if self.state.escalated:
            if self.state.round == round:
                return
            self.withdraw_escalation(act, ground=f"第{round}轮督办仍未解决，另行提请")
        self.tell(
            act,
            to=to,
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
            notify.EscalationOpened,
            act,
            to_post=to.post,
            clock=ROUND,
            cycle=round,
            next_reminder_at=next_reminder_at,
        )

    def is_due(self, now: datetime) -> bool:
        """Whether the escalation's time has come: to remind, or for the acknowledgement to expire."""
        return self.state.due_at is not None and self.state.due_at <= now

    def remind(
        self,
        act: CommandContext,
        *,
        subject: str,
        text: str,
        not_before: datetime,
        next_reminder_at: datetime,
        early: bool = False,
    ) -> None:
        """Remind the main leader once, however many days went by, if the time has come, or else ``early``."""
        if self.state.status != "open" or not (early or self.is_due(act.recorded_at)):
            return
        times = self.state.reminders + 1
        last = [*self.state.told.values()][-1]
        self.tell(
            act,
            to=last.to,
            clock=last.clock,
            cycle=last.cycle,
            level="unresolved",
            colour="red",
            subject=subject,
            text=text,
            not_before=not_before,
            needs_acknowledgement=True,
            reminder=times,
        )
        self.record(
            notify.EscalationReminded,
            act,
            times=times,
            notice_id=self._last_told(),
            next_reminder_at=next_reminder_at,
        )

    @requires(by_its_recipient, as_seen, is_unread, of=the_notice)
    def acknowledge(self, act: CommandContext, *, notice_id: UUID, note: str = "", expires_on: date) -> None:
        """The recipient has read it. Reading any notice of an escalation acknowledges the escalation."""
        if notice_id in self.state.told:
            self._acknowledge_all_told(act, note, expires_on)
        else:
            self._acknowledge(act, [notice_id], note, expires_on, escalated=False)

    @requires(by_the_leader_who_was_told, escalation_as_seen, awaits_acknowledgement)
    def acknowledge_escalation(self, act: CommandContext, *, note: str = "", expires_on: date) -> None:
        """The main leader has taken note; reminders rest until it expires, which may have come unsaid."""
        self.expire(act, next_reminder_at=act.recorded_at)
        self._acknowledge_all_told(act, note, expires_on)

    def _acknowledge_all_told(self, act: CommandContext, note: str, expires_on: date) -> None:
        unread = [id_ for id_, notice in self.state.told.items() if notice.status == "open"]
        self._acknowledge(act, unread, note, expires_on, escalated=True)

    def _acknowledge(
        self,
        act: CommandContext,
        notice_ids: Iterable[UUID],
        note: str,
        expires_on: date,
        *,
        escalated: bool,
    ) -> None:
        for notice_id in notice_ids:
            self.record(
                notify.NoticeAcknowledged,
                act,
                notice_id=notice_id,
                post=act.by.post,
                note=note,
                expires_on=expires_on,
                expires_at=close_of(expires_on),
                escalated=escalated,
            )

    def see_progress(self, act: CommandContext, *, what: str, expires_at: datetime) -> None:
        """Something moved: the acknowledgement holds longer. Nothing is recorded unless it does, to keep logs small."""
        until = self.state.expires_at
        if until is not None and act.recorded_at < until < expires_at:
            self.record(notify.ProgressSeen, act, what=what, expires_at=expires_at)

    def expire(self, act: CommandContext, *, next_reminder_at: datetime) -> None:
        """Nothing moved since the acknowledgement: reminding begins again, if the time has come."""
        if self.state.status != "acknowledged" or not self.is_due(act.recorded_at):
            return
        self.record(
            notify.AcknowledgementExpired,
            act,
            notice_id=self._last_told(),
            next_reminder_at=next_reminder_at,
        )

    def withdraw_escalation(self, act: CommandContext, *, ground: str) -> None:
        """The escalation lost its ground; its notices go with it."""
        if not self.state.escalated:
            return
        for notice_id in self.state.told:
            self.record(notify.NoticeWithdrawn, act, notice_id=notice_id, ground=ground)
        self.record(notify.EscalationWithdrawn, act, ground=ground)

    def _last_told(self) -> UUID:
        return [*self.state.told][-1]
