"""The application: acknowledging, and by the clock reminding, digests, delivery."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select

from services.notify.application.outbox import put
from services.notify.domain import Digest, Matter, MatterState, Recipient, words
from services.notify.domain.hours import in_hours, morning, not_before
from services.notify.views.escalations import EscalationsView, TimersView
from services.notify.views.notices import NoticesView
from shared.application.application import NoSuchThing
from shared.application.result import CommandResult
from shared.calendar import Calendar
from shared.domain.aggregate import SUITE_UNIT, CommandContext
from shared.domain.clock import local_day
from shared.domain.refusal import Refusal
from shared.domain.words import Enumerated
from shared.events.assignment import UnitKind
from shared.events.base import Actor, message_id
from shared.log.recorded import TOLERANCE
from shared.messaging.reactions import NotYet
from shared.process import logs
from shared.readmodels.reference import UnitHasNoHead
from shared.readmodels.rows import Row
from shared.readmodels.rulebooks import released_rulebook
from shared.readmodels.timers import fire_due
from shared.rulebook import Rulebook
from shared.service.application import ServiceApplication

log = logs.log("notify")


class NoMainLeaderRegistered(Refusal):
    """没有登记政府主要领导岗位，无法提请。
    No main leader's post is registered, so nobody can be told."""


class NoUnitOfKind(Refusal, kind=Enumerated(UnitKind)):
    """没有登记类别为 {kind} 的单位，无法通知。
    No unit of the kind {kind} is registered, so nobody can be told."""


class Notifier(ServiceApplication):
    """Whom to tell comes from reference data and the rulebook that the case is pinned to."""

    name = "notify"

    _digested: date | None = None

    # -- commands ------------------------------------------------------------------------------------------------

    def acknowledge_notice(self, act: CommandContext, notice_id: UUID, *, note: str = "") -> CommandResult:
        """The recipient has read a notice; of an escalation's notice, the escalation is acknowledged."""
        with self.views.reading() as connection:
            notices = self.views.table(connection, "notices")
            found = connection.execute(
                select(notices.c.matter).where(notices.c.id == str(notice_id))
            ).scalar()
        matter = None if found is None else self.find(Matter, UUID(found))
        told = None if matter is None else matter.notices.get(notice_id)
        if matter is None or (self.hidden(matter, act) and (told is None or told.to_post != act.by.post)):
            raise NoSuchThing(kind="Notice", id=notice_id)
        expires_on = self.expires_on(matter.state, act)
        matter.acknowledge(act, notice_id=notice_id, note=note, expires_on=expires_on)
        return self.commit(act, matter, location=f"/api/v1/notices/{notice_id}")

    def escalated(self, act: CommandContext, escalation_id: UUID) -> Matter:
        """The matter with its escalation. Raises NoSuchThing if it never was escalated."""
        matter = self.load(Matter, escalation_id)
        if matter.state.status is None:
            raise NoSuchThing(kind="Escalation", id=escalation_id)
        return matter

    # -- by the clock --------------------------------------------------------------------------------------------

    def remind_due(self) -> bool:
        """Remind, and let acknowledgements expire, where the time has come."""
        return fire_due(
            self.views,
            TimersView,
            self.clock(),
            lambda due: sum(self._be_on_time(UUID(row["id"])) for row in due) > 0,
        )

    def _be_on_time(self, matter_id: UUID) -> bool:
        matter = self.find(Matter, matter_id)
        now = self.clock()
        if matter is None or not matter.is_due(now):
            return False  # the view has not seen yet that it was done
        cause = message_id(self.name, matter_id, matter.state.version)
        act = self._own_act(f"event:{cause}", key=f"timer|{cause}", now=now)

        def use_case(act: CommandContext) -> CommandResult:
            matter = self.load(Matter, matter_id)
            self._expire_or_remind(act, matter)
            return self.commit(act, matter)

        return not self.perform(act, use_case).replayed

    def take_back(self) -> bool:
        """Remind where a clock that was set ahead has put the next reminder off to a day that would not come for long.

        What was told in between is withdrawn as supervision takes back what it was about.
        """
        if not self.clock_is_behind():
            return False
        now = self.clock()
        with self.views.reading() as connection:
            escalations = self.views.table(connection, EscalationsView.name)
            put_off = and_(escalations.c.state == "open", escalations.c.next_reminder_at > now + TOLERANCE)
            query = select(escalations.c.id).where(put_off).order_by(escalations.c.id)
            found = connection.execute(query).scalars().all()
        return sum(self._remind_early(UUID(matter_id), now) for matter_id in found) > 0

    def _remind_early(self, matter_id: UUID, now: datetime) -> bool:
        """Whether its next reminder was later than that of a reminder now would be."""
        matter = self.find(Matter, matter_id)
        state = None if matter is None else matter.state
        if state is None or state.next_reminder_at is None or state.clock is None:
            return False
        shown_at = not_before(self.reference.calendar(), now, state.clock)
        if state.next_reminder_at <= self.next_reminder_at(state, shown_at):
            return False
        cause = message_id(self.name, matter_id, state.version)
        act = self._own_act(f"event:{cause}", key=f"clock-set-back|{cause}", now=now)

        def use_case(act: CommandContext) -> CommandResult:
            matter = self.load(Matter, matter_id)
            self._expire_or_remind(act, matter, early=True)
            return self.commit(act, matter)

        return not self.perform(act, use_case).replayed

    def _expire_or_remind(self, act: CommandContext, matter: Matter, *, early: bool = False) -> None:
        state = matter.state
        if state.clock is None or state.round is None:
            return
        shown_at = not_before(self.reference.calendar(), act.recorded_at, state.clock)
        if state.status == "acknowledged":
            matter.expire(act, next_reminder_at=shown_at)
            return
        said = words.reminder(
            state, unit=self.unit_name(state.unit), round=state.round, times=state.reminders + 1
        )
        matter.remind(
            act,
            subject=said.subject,
            text=said.text,
            not_before=shown_at,
            next_reminder_at=self.next_reminder_at(state, shown_at),
            early=early,
        )

    def send_digests(self) -> bool:
        """In the first step within the working hours of a working day: one digest a unit with something open."""
        now, calendar = self.clock(), self.reference.calendar()
        day = local_day(now)
        if self._digested == day or not in_hours(calendar, now):
            return False
        sent = [
            self._send_digest(unit, day, lines, calendar, now)
            for unit, lines in self._open_by_unit(calendar, day)
        ]
        self._digested = day
        return any(sent)

    def _open_by_unit(self, calendar: Calendar, day: date) -> Sequence[tuple[str, dict[str, list[str]]]]:
        with self.views.reading() as connection:
            cases = self.views.table(connection, "cases")
            rows = connection.execute(
                select(cases).where(cases.c.is_open).order_by(cases.c.number, cases.c.id)
            )
            found: dict[str, dict[str, list[str]]] = {}
            for row in rows:
                starts = [date.fromisoformat(clock["started_on"]) for clock in row.clocks.values()]
                if starts and min(starts) > day:
                    continue  # the suite's clock was set ahead, and back: it has not begun
                for unit, (state, line) in _lines(row, calendar, day, self._clock_name).items():
                    found.setdefault(unit, {"missed": [], "approaching": [], "open": []})[state].append(line)
        return sorted(found.items())

    def _send_digest(
        self, unit: str, day: date, lines: dict[str, list[str]], calendar: Calendar, now: datetime
    ) -> bool:
        if self.find(Digest, Digest.id_of(unit, day)) is not None:
            return False
        try:
            to, name = Recipient(unit=unit, post=self.reference.head_of(unit)), self.unit_name(unit)
        except (UnitHasNoHead, NotYet) as missing:
            log.warning("digest_without_recipient", unit=unit, reason=str(missing))
            return False
        said = words.digest(name, calendar, day, lines)
        act = self._own_act(f"event:working-day/{day}", key=f"digest|{unit}|{day}", now=now)

        def use_case(act: CommandContext) -> CommandResult:
            return self.commit(act, Digest.send(act, to=to, day=day, subject=said.subject, text=said.text))

        return not self.perform(act, use_case).replayed

    def deliver_due(self) -> bool:
        """Let what may be shown by now leave by the channel, once; what was withdrawn before does not leave."""
        return fire_due(
            self.views,
            NoticesView,
            self.clock(),
            lambda due: sum(map(self._deliver, due)) > 0,
            by="deliver_at",
            read=["matter", "level"],
        )

    def _deliver(self, due: Row) -> bool:
        aggregate_id, notice_id = UUID(due["matter"]), UUID(due["id"])
        kind: type[Digest | Matter] = Digest if due["level"] == "digest" else Matter
        found = self.find(kind, aggregate_id)
        notice = None if found is None else found.notices.get(notice_id)
        if notice is None or notice.deliver_at is None:
            return False
        reference = put(self.outbox, notice_id, notice)

        def use_case(act: CommandContext) -> CommandResult:
            found = self.load(kind, aggregate_id)
            found.deliver(act, notice_id=notice_id, reference=reference)
            return self.commit(act, found)

        cause = message_id(self.name, aggregate_id, notice.version)
        act = self._own_act(f"event:{cause}", key=f"deliver|{notice_id}", now=self.clock())
        return not self.perform(act, use_case).replayed

    @property
    def outbox(self) -> Any:
        """The folder in which the ``.eml`` files lie, one folder a day."""
        return self.config.data / self.name / "outbox"

    def _own_act(self, because: str, *, key: str, now: datetime) -> CommandContext:
        return CommandContext(
            by=Actor(unit=SUITE_UNIT, post=self.name),
            because=because,
            recorded_at=now,
            happened_at=now,
            key=key,
        )

    # -- what reactions and steps ask ----------------------------------------------------------------------------

    def rules(self, version: int) -> Rulebook:
        """The rulebook of that version: the one this service started with, or as supervision released it.

        Raises NotYet if that release has not arrived.
        """
        if version == self.rulebook.version:
            return self.rulebook
        released = released_rulebook(self.views, version)
        if released is None:
            raise NotYet(f"rulebook version {version} is not released")
        return released

    def working_days(self, matter: MatterState, rule: str) -> int:
        """The length of one of the rulebook's clocks, in working days; at least one."""
        return self.rules(matter.rulebook_version).rule(rule).length or 1

    def next_reminder_at(self, matter: MatterState, shown_at: datetime) -> datetime:
        """The working morning on which to remind of what was shown at ``shown_at`` (rule ``remind_main_leader``)."""
        days = self.working_days(matter, "remind_main_leader")
        return morning(self.reference.calendar().working_days_after(local_day(shown_at), days))

    def expires_on(self, matter: MatterState, act: CommandContext) -> date:
        """The last day of an acknowledgement if nothing moves after this act (rule ``acknowledgement_expires``)."""
        days = self.working_days(matter, "acknowledgement_expires")
        return self.reference.calendar().working_days_after(local_day(act.happened_at), days)

    def unit_name(self, unit: str) -> str:
        """What the unit is called, also after it was dissolved.

        Raises NotYet: who named the unit in a fact knew it, so its registration is on its way.
        """
        name = self.reference.unit_name(unit)
        if name is None:
            raise NotYet(f"the unit {unit} is not registered here")
        return name

    def _clock_name(self, version: int, clock: str) -> str:
        try:
            return self.rules(version).rule(clock).name_zh
        except (NotYet, Refusal):
            return "时限"  # a digest is not held back for a name

    def recipients(self, roles: Iterable[str], matter: MatterState, unit: str) -> list[Recipient]:
        """The posts that a rung of a ladder tells about ``unit``, each once.

        An officer whom the case does not name is spoken for by the unit's head, a leader in charge whom it does not
        name by the main leader, and a leader for himself. Raises UnitHasNoHead, NoMainLeaderRegistered,
        NoUnitOfKind, UnknownPost: telling nobody in silence would be worse.
        """
        found = {to.post: to for role in roles if (to := self._recipient(role, matter, unit)) is not None}
        return list(found.values())

    def _recipient(self, role: str, matter: MatterState, unit: str) -> Recipient | None:
        if role == "officer" and unit == matter.unit and matter.post is not None:
            return Recipient(unit=unit, post=matter.post)
        if role in ("officer", "unit_head"):
            return self._leader_of(matter, unit) or Recipient(unit=unit, post=self.reference.head_of(unit))
        if role == "vice_leader" and matter.leader_post is not None:
            return self.at_post(matter.leader_post)
        if role in ("main_leader", "vice_leader"):
            leader = self.reference.main_leader()
            if leader is None:
                raise NoMainLeaderRegistered()
            return Recipient(unit=leader["unit"], post=leader["id"])
        if role in ("government_office", "supervision_office"):
            return self._head_of_kind("office" if role == "government_office" else "supervision")
        return None  # an enterprise is not told by post

    def at_post(self, post: str) -> Recipient:
        """Whoever holds the post. Raises UnknownPost."""
        return Recipient(unit=self.reference.post(post)["unit"], post=post)

    def _leader_of(self, matter: MatterState, unit: str) -> Recipient | None:
        """The leader, if it is the leaders' unit that has the matter: such a unit has no other head."""
        leader = None if matter.leader_post is None else self.at_post(matter.leader_post)
        if leader is not None and leader.unit == unit:
            return leader
        main = self.reference.main_leader()
        return Recipient(unit=unit, post=main["id"]) if main is not None and main["unit"] == unit else None

    def _head_of_kind(self, kind: str) -> Recipient:
        unit = self.reference.unit_of_kind(kind)
        if unit is None:
            raise NoUnitOfKind(kind=kind)
        return Recipient(unit=unit, post=self.reference.head_of(unit))


ORDER = ("missed", "approaching", "open")


def _state_on(day: date, clock: Mapping[str, Any]) -> str:
    """How near a running clock is on a day, by its own days: whoever says so in a fact may not have run yet."""
    if clock["silent"]:
        return "open"
    if date.fromisoformat(clock["due_on"]) < day:
        return "missed"
    return "approaching" if any(date.fromisoformat(on) <= day for on in clock["warn_on"]) else "open"


def _lines(
    row: Any, calendar: Calendar, day: date, clock_name: Callable[[int, str], str]
) -> Mapping[str, tuple[str, str]]:
    """One case's line in the digest of each unit that has it in hand, with the worst state of its clocks."""
    by_unit: dict[str, list[dict[str, Any]]] = {row.unit: []}
    for clock in row.clocks.values():
        if clock["state"] != "stopped" and date.fromisoformat(clock["started_on"]) <= day:
            by_unit.setdefault(clock["unit"], []).append(clock)
    called = words.called(row.number, row.title, secret=row.secrecy == "secret")
    found: dict[str, tuple[str, str]] = {}
    for unit, clocks in by_unit.items():
        state = min((_state_on(day, clock) for clock in clocks), key=ORDER.index, default="open")
        dates = [
            f"{clock_name(row.rulebook_version, clock['clock'])}"
            f"{words.day_words(calendar, date.fromisoformat(clock['due_on']))}"
            for clock in sorted(clocks, key=lambda clock: (clock["due_on"], clock["clock"]))
        ]
        found[unit] = (state, "：".join([called, "；".join(dates)]) if dates else called)
    return found
