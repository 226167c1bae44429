"""The supervision service's use cases: load, decide, save."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from eventsourcing.persistence import IntegrityError
from sqlalchemy import ColumnElement, and_, or_, select

from services.supervision.domain import (
    Absence,
    CalendarDraft,
    CalendarVersion,
    Case,
    Duty,
    HalfMonthReport,
    Naming,
    NamingSeries,
    Periods,
    RulebookVersion,
    Terms,
)
from services.supervision.domain.clocks import clock_of
from services.supervision.domain.custody import Charge
from services.supervision.domain.ground import Ground, ground_of
from services.supervision.domain.half_month_report import NoReportOwed, ReportSubmittedAlready
from services.supervision.domain.naming import NamingState, window
from services.supervision.domain.rounds import latest_naming, round_of
from services.supervision.domain.series import NAMINGS
from services.supervision.domain.state import CaseState
from services.supervision.domain.wording import naming_text
from services.supervision.views.clocks import TimersView
from services.supervision.views.duties import roster
from shared.application.result import CommandResult
from shared.calendar import Calendar, CalendarRelease, DayRule, Layer
from shared.calendar.due import Due, what_if
from shared.calendar.period import first_period, period_of
from shared.domain.aggregate import SUITE_UNIT, Aggregate, CommandContext, stable_id
from shared.domain.clock import Clock, local_day, midnight
from shared.domain.refusal import Refusal
from shared.events.base import Actor
from shared.events.matter import Matter
from shared.events.supervision import CreditKind
from shared.log.recorded import TOLERANCE
from shared.messaging.reactions import NotYet
from shared.readmodels.reference import UnknownUnit
from shared.readmodels.rows import Row
from shared.readmodels.timers import fire_due
from shared.rulebook import OBJECTION_WINDOW, Rule, Rulebook, parse_rulebook
from shared.runtime.worker import Step
from shared.service.application import ServiceApplication

RELEASE = "calendar_release"
"""The rulebook's clock of a drafted release of the calendar."""

SAVED_AT_ONCE = 50
"""Cases saved in one transaction by the tick."""


class ReleaseIsNotDrafted(Refusal):
    """日历第 {version} 版已经在此草案之后发布，请重新起草。
    Version {version} of the calendar was released after this draft: draft it again."""


@dataclass(frozen=True)
class Moved:
    """An open clock that a release would move."""

    case_id: str
    number: str
    clock: str
    cycle: int
    unit: str
    due_on: date | None
    new_due_on: date | None


class Preview(NamedTuple):
    """What a draft would move, and which of its days are so already."""

    items: list[Moved]
    unchanged: tuple[date, ...]


class Supervision(ServiceApplication):
    """Clocks, rounds, namings, the calendar and the rulebook."""

    name = "supervision"

    def __init__(self, env: Mapping[str, str], clock: Clock) -> None:
        super().__init__(env, clock)
        self._rulebooks: dict[int, Rulebook] = {}
        self._calendars: dict[int, Calendar] = {}
        self._next_period: dict[str, date] = {}
        self._recomputed = (0, date.min)
        self._examined: set[tuple[str, int]] = set()
        self._recomputing: tuple[int, int] = (0, 0)
        self._served = ""
        self._serving: tuple[str, int] = ("", 0)

    # -- terms -----------------------------------------------------------------------------------------------

    def calendar(self) -> Calendar:
        """The calendar in force, also where the read models have not caught up with its last release."""
        return self.views.keep("calendar", self._calendar_in_force)

    def _calendar_in_force(self) -> Calendar:
        calendar = self.reference.calendar()
        while True:
            version = calendar.version + 1
            if version not in self._calendars:
                released = self.find(CalendarVersion, stable_id("calendar", version))
                if released is None:
                    return calendar
                self._calendars[version] = calendar.with_release(_as_release(released))
            calendar = self._calendars[version]

    def calendar_at(self, version: int) -> Calendar:
        """The calendar as it was at that version."""
        present = self.calendar()
        if version >= present.version:
            return present
        return Calendar(tuple(release for release in present.releases if release.version <= version))

    def rulebook_at(self, version: int) -> Rulebook:
        """The rulebook of that version: the configured one, or from its text in the log. Raises NoSuchThing."""
        if version == self.rulebook.version:
            return self.rulebook
        if version not in self._rulebooks:
            released = self.load(RulebookVersion, stable_id("rulebook", version))
            self._rulebooks[version] = parse_rulebook(released.state.text, f"rulebook {version}")
        return self._rulebooks[version]

    def terms(self) -> Terms:
        """The rulebook and calendar for what begins now."""
        return Terms(self.rulebook, self.calendar(), office=self.office())

    def terms_of(
        self, case: Case | CaseState, calendar: Calendar | None = None, *, into: UUID | None = None
    ) -> Terms:
        """The rulebook that the case is pinned to, the calendar in force, and who has it after a merger.

        ``into``: the case into which it is being merged.
        """
        state = case.state if isinstance(case, Case) else case
        main = into or state.merged_into
        goes_on = None if main is None else self.find(Case, main)
        return Terms(
            self.rulebook_at(state.rulebook_version),
            calendar or self.calendar(),
            () if goes_on is None else goes_on.state.stays,
            self.office(),
        )

    def terms_for(self, case: CaseState, act: CommandContext) -> Terms:
        """The terms of the case with this state."""
        return self.terms_of(case)

    def terms_of_its_case(self, naming: NamingState, act: CommandContext) -> Terms:
        """The terms of the case that the naming is about."""
        return self.terms_of(self.load(Case, naming.case_id))

    def office(self) -> str:
        """The supervision office's unit; empty if none is registered."""
        return self.reference.unit_of_kind("supervision") or ""

    def answering(self, word: str, about: CaseState | Matter) -> str:
        """The unit that answers for a clock about a matter, by the rulebook's word: an office's or a leader's, or else
        the unit that leads it. Raises NotYet: a unit does not have the clock of those who decide on it.
        """
        unit: str | None = about.unit
        if word == "supervision_office":
            unit = self.office()
        elif word == "government_office":
            unit = self.reference.unit_of_kind("office")
        elif word in ("leader_in_charge", "main_leader"):
            main = self.reference.main_leader()
            leader = about.leader_post if word == "leader_in_charge" else None
            leader = leader or (None if main is None else str(main["id"]))
            unit = None if leader is None else str(self.reference.post(leader)["unit"])
        if not unit:
            raise NotYet(f"nobody is registered who answers as {word}")
        return unit

    def heads(self, case: CaseState, act: CommandContext) -> Callable[[str], str]:
        """Who the main head of a unit is."""
        return self.reference.head_of

    def vacancies(self, case: CaseState, act: CommandContext) -> Callable[[str, date], bool]:
        """Whether a post was vacant on a day."""
        return lambda post, day: self.reference.post_state(post).is_vacant_on(day)

    def releasers(self, case: CaseState, act: CommandContext) -> Callable[[int], str | None]:
        """Which post released a version of the calendar; None for the base."""

        def released_by(version: int) -> str | None:
            released = self.find(CalendarVersion, stable_id("calendar", version))
            return None if released is None else released.state.fact.by.post

        return released_by

    def release_rulebook(self) -> None:
        """Release the configured rulebook, once per version. Raises RulebookVersionTaken."""
        released = self.find(RulebookVersion, stable_id("rulebook", self.rulebook.version))
        if released is None:
            act = self._own_act(f"rulebook:{self.rulebook.version}")
            try:
                self._save([RulebookVersion.release(act, self.rulebook)])
                return
            except IntegrityError:  # another worker came first
                released = self.load(RulebookVersion, stable_id("rulebook", self.rulebook.version))
        released.must_read(self.rulebook.text)

    # -- calendar --------------------------------------------------------------------------------------------

    def draft_release(
        self, act: CommandContext, *, layer: Layer, title: str, days: list[dict[str, Any]]
    ) -> CommandResult:
        """Draft a release of the calendar."""
        rules = tuple(DayRule(day["day"], day["working"], day["name"]) for day in days)
        draft = CalendarDraft.draft(act, self.calendar(), layer, title, rules)
        return self.commit(act, draft, location=f"/api/v1/calendar-releases/{draft.id}")

    def release_calendar(self, act: CommandContext, release_id: UUID) -> CommandResult:
        """Release a draft, by a second person."""
        draft = self.load(CalendarDraft, release_id, act)
        version = draft.release(act, current=self.calendar(), released_as=self._released_as(draft))
        return self.commit(act, version, draft)

    def withdraw_draft(self, act: CommandContext, release_id: UUID, *, reason: str) -> CommandResult:
        """Withdraw a draft."""
        draft = self.load(CalendarDraft, release_id, act)
        draft.withdraw(act, reason=reason, released_as=self._released_as(draft))
        return self.commit(act, draft)

    def _released_as(self, draft: CalendarDraft) -> int | None:
        """The version of the calendar that the draft is already, if any: older logs tell it there alone."""
        later = self.find(CalendarVersion, stable_id("calendar", draft.state.follows + 1))
        if later is None or later.state.fact.release_id != draft.id:
            return None
        return later.state.fact.version

    def preview_release(self, draft_id: UUID) -> Preview:
        """What the draft would move; writes nothing. Raises NoSuchThing, ReleaseIsNotDrafted."""
        draft = self.load(CalendarDraft, draft_id)
        present = self.calendar()
        if present.version != draft.state.follows:
            raise ReleaseIsNotDrafted(version=present.version)
        after = present.with_release(draft.as_release())
        moved: list[Moved] = []
        for row in self._clocks_touched(after):
            if row["state"] != "open":
                continue
            case = self.load(Case, UUID(row["case_id"]))
            clock = clock_of(case.state, row["clock"], row["cycle"])
            due = clock.due(self.terms_of(case, after))
            if due.due_on != clock.due_on or due.provisional != clock.provisional:
                moved.append(
                    Moved(
                        row["case_id"],
                        case.state.number,
                        clock.clock,
                        clock.cycle,
                        clock.unit,
                        clock.due_on,
                        due.due_on,
                    )
                )
        return Preview([*moved, *self._windows_moved(after)], draft.state.unchanged)

    def _windows_moved(self, after: Calendar) -> Iterator[Moved]:
        """The windows for objections to a naming that this calendar would move."""
        for naming in self._checked_namings():
            until, _ = window(naming.state, self.terms_of(self.load(Case, naming.state.case_id), after))
            if naming.status == "checked" and until != naming.state.objections_until:
                yield Moved(
                    str(naming.state.case_id),
                    naming.state.case_number,
                    OBJECTION_WINDOW,
                    max(naming.state.rounds, default=0),
                    naming.state.unit,
                    naming.state.objections_until,
                    until,
                )

    def _checked_namings(self) -> list[Naming]:
        """The namings that wait for objections or for the approval."""
        with self.views.reading() as connection:
            namings = self.views.table(connection, "namings")
            query = select(namings.c.id).where(namings.c.state == "checked").order_by(namings.c.id)
            found = connection.execute(query).scalars().all()
        return [self.load(Naming, UUID(naming_id)) for naming_id in found]

    # -- clocks ----------------------------------------------------------------------------------------------

    def start_the_offices_clocks(self) -> bool:
        """Start what has waited until a supervision office was registered; whether there was anything."""
        office = self.office()
        if office in ("", self._served):
            return False
        if self._serving[0] != office:
            self._serving = (office, self.log.max_notification_id() or 0)
        with self.views.reading() as connection:
            rounds, clocks = (self.views.table(connection, name) for name in ("rounds", "clocks"))
            unjudged = rounds.c.state.in_(("signed", "proposed", "objected"))
            of_rounds = select(rounds.c.case_id).where(unjudged)
            of_entries = select(clocks.c.case_id).where(clocks.c.claim == "waiting")
            found = connection.execute(of_rounds.union(of_entries)).scalars().all()
        worked, saved = False, True
        for case_id in sorted(found):
            case = self.load(Case, UUID(case_id))
            case.settle(self._own_act(f"office:{office}"), self.terms_of(case))
            worked = worked or bool(case.pending_events)
            saved = self._saved(case) and saved
        if saved and self.views.reached(self.name, self._serving[1]):
            self._served = office
        return worked

    def explain(self, case_id: UUID, clock: str, cycle: int) -> Due:
        """The due date of a clock, able to explain itself: a judged one by the calendar of its judgement."""
        case = self.load(Case, case_id)
        found = clock_of(case.state, clock, cycle)
        calendar = self.calendar_at(found.judged_with) if found.judged_with else self.calendar()
        return found.due(self.terms_of(case, calendar))

    def explain_charge(self, case_id: UUID, clock: str, cycle: int) -> Charge | None:
        """Who answers for the miss of a clock, able to explain itself; None if it was not missed."""
        case = self.load(Case, case_id)
        found = clock_of(case.state, clock, cycle)
        return None if found.charged is None else case.charge(self.terms_of(case), found)

    def what_if(self, rule: str, start: date | datetime, own_date: date | None) -> Due:
        """When a clock that started then would be due. Raises UnknownRule and what the reckoning refuses."""
        terms = self.terms()
        book = terms.rulebook
        return what_if(book.rule(rule), terms.calendar, start, own_date, rulebook_version=book.version)

    # -- namings ---------------------------------------------------------------------------------------------

    def draft_naming(self, act: CommandContext, case_id: UUID) -> CommandResult:
        """Draft the naming that is due by hand."""
        case = self.load(Case, case_id, act)
        due = case.naming_to_draft(act, drafted=self.is_drafted(case.state, act))
        naming = self.new_naming(act, case, due.naming_id, (due.first, due.second))
        return self.commit(act, naming, location=f"/api/v1/namings/{naming.id}")

    def is_drafted(self, case: CaseState, act: CommandContext) -> bool:
        """Whether the latest naming that is due is there already."""
        due = latest_naming(case)
        return due is not None and self.find(Naming, due.naming_id) is not None

    def new_naming(self, act: CommandContext, case: Case, naming_id: UUID, rounds: tuple[int, ...]) -> Naming:
        """The draft for these two slow rounds, with its text."""
        last, since = round_of(case.state, rounds[-1]), self.holder_since(case, rounds)
        return Naming.draft(
            act,
            naming_id,
            case_id=case.id,
            case_number=case.state.number,
            unit=last.unit,
            post=last.post,
            holder_since=since,
            rounds=rounds,
            text=self.text_for(case, rounds, since),
            secrecy=case.state.secrecy,
        )

    def text_for(self, case: Case, rounds: tuple[int, ...], holder_since: date | None) -> str:
        """The text of a naming for these rounds.

        Raises UnknownUnit, UnknownPost while a registration, another aggregate's fact, has not arrived here: a
        naming is published under names.
        """
        last = round_of(case.state, rounds[-1])
        title = self.reference.post(last.post)["title"] if last.post else None
        name = self._unit_name(last.unit)
        return naming_text(case.state, name, title, rounds, holder_since=holder_since)

    def holder_since(self, case: Case, rounds: tuple[int, ...]) -> date | None:
        """Since when whoever held the responsible post at the last of these rounds had held it. Raises UnknownPost."""
        last = round_of(case.state, rounds[-1])
        if last.post is None:
            return None
        return self.reference.post_state(last.post).holder_since(local_day(last.issued_at))

    def _unit_name(self, unit: str) -> str:
        """What the unit is called, also after it was dissolved. Raises UnknownUnit."""
        name = self.reference.unit_name(unit)
        if name is None:
            raise UnknownUnit(unit=unit)
        return name

    def publish_naming(self, act: CommandContext, naming_id: UUID) -> CommandResult:
        """Publish under the next number of the year in Shanghai; a correction marks what it corrects."""
        naming = self.load(Naming, naming_id, act)
        year = local_day(act.recorded_at).year
        series = self.find(NamingSeries, NamingSeries.id_of(NAMINGS, year))
        series = series or NamingSeries.open(act, series=NAMINGS, year=year)
        naming.publish(act, series=series, ground=self.ground(naming.state, act))
        saved: list[Aggregate] = [naming, series]
        if naming.state.corrects is not None:
            corrected = self.load(Naming, naming.state.corrects)
            corrected.correct(act, correction=naming)
            saved.append(corrected)
        return self.commit(act, *saved)

    def ground(self, naming: NamingState, act: CommandContext) -> Ground:
        """What its case says about the naming now."""
        return ground_of(self.load(Case, naming.case_id).state, naming.unit, naming.rounds)

    def correct_naming(self, act: CommandContext, naming_id: UUID, *, text: str) -> CommandResult:
        """Draft the linked correction of a published naming."""
        naming = self.load(Naming, naming_id, act)
        correction = naming.begin_correction(act, text=text)
        return self.commit(act, correction, location=f"/api/v1/namings/{correction.id}")

    # -- absences and reports --------------------------------------------------------------------------------

    def request_absence(self, act: CommandContext, **what: Any) -> CommandResult:
        """申请外出."""
        absence = Absence.request(act, leader_post=self.leader_of(act.by.unit), **what)
        return self.commit(act, absence, location=f"/api/v1/absences/{absence.id}")

    def submit_half_month_report(
        self, act: CommandContext, *, half_month: date, nil: bool, text: str, evidence: Sequence[str]
    ) -> CommandResult:
        """报送半月专报 on the half month in which that day lies. Raises NoReportOwed, ReportSubmittedAlready."""
        period = period_of("half_month", half_month)
        while self.begin_periods():
            pass  # what is owed by now is so before the worker's next step too
        if self.owed(act.by.unit, "half_month_report", period.first) is None:
            raise NoReportOwed(unit=act.by.unit, period=period.name_zh)
        report = HalfMonthReport.submit(act, period, nil=nil, text=text, evidence=evidence)
        already = ReportSubmittedAlready(unit=act.by.unit, period=period.name_zh)
        return self.commit_new(act, report, already, location=f"/api/v1/half-month-reports/{report.id}")

    def owed(self, ower: str, credit: CreditKind, day: date) -> Duty | None:
        """The ower's duty of the period in which ``day`` lies that such a credit counts for."""
        for rule in self.rulebook:
            if rule.owed_by and rule.credit == credit:
                first = period_of(rule.unit, day).first
                if (found := self.find(Duty, Duty.id_of(rule.id, ower, first))) is not None:
                    return found
        return None

    def leader_of(self, unit: str) -> str | None:
        """The vice leader in charge of the unit, or else the main leader, if they are registered."""
        in_charge, main = self.reference.in_charge_of(unit), self.reference.main_leader()
        return next(iter(in_charge), None if main is None else str(main["id"]))

    # -- the worker's own steps ------------------------------------------------------------------------------

    def tick(self) -> bool:
        """Let every clock speak whose time has come; whether any had something to say."""
        read = ["case_id", "clock", "cycle"]
        return fire_due(self.views, TimersView, self.clock(), self._speak, read=read, to_the_end=True)

    def take_back(self) -> bool:
        """Retract what was missed at moments that lie ahead again; whether there was anything.

        Only if the log says that the clock was set back, and by more than hosts' clocks may be apart.
        """
        if not self.clock_is_behind():
            return False
        with self.views.reading() as connection:
            clocks = self.views.table(connection, "clocks")
            ahead = and_(clocks.c.missed, clocks.c.due_at > self.clock() + TOLERANCE)
            query = select(clocks.c.case_id).where(clocks.c.state.in_(("open", "paused")), ahead).distinct()
            found = connection.execute(query.order_by(clocks.c.case_id).limit(SAVED_AT_ONCE)).scalars().all()
        worked = False
        for case_id in found:
            case = self.load(Case, UUID(case_id))
            case.take_back(self._own_act(f"clock-set-back:{case_id}"), self.terms_of(case))
            worked = worked or bool(case.pending_events)
            self._saved(case)
        return worked

    def _speak(self, due: Sequence[Row]) -> bool:
        calendar = self.calendar()
        fired = [(UUID(row["case_id"]), row["clock"], row["cycle"]) for row in due]
        firsts = range(0, len(fired), SAVED_AT_ONCE)
        return sum(self._fire(fired[first : first + SAVED_AT_ONCE], calendar) for first in firsts) > 0

    def _fire(self, fired: list[tuple[UUID, str, int]], calendar: Calendar) -> bool:
        """Decide for several clocks, saved together; whoever was changed meanwhile is decided anew, alone."""
        cases: dict[UUID, Case] = {}
        for case_id, clock, cycle in fired:
            case = cases.get(case_id) or self.find(Case, case_id)
            if case is None:
                continue
            cases[case_id] = case
            act = self._own_act(f"clock:{case_id}/{clock}/{cycle}")
            case.tick(act, self.terms_of(case, calendar), clock, cycle)
        spoke = [case for case in cases.values() if case.pending_events]
        if not spoke:
            return False
        try:
            self._save(spoke)
            return True
        except IntegrityError:
            if len(fired) == 1:
                return False  # another tick was quicker; the next one looks again
            return sum(self._fire([one], calendar) for one in fired) > 0

    def begin_periods(self) -> bool:
        """Let the periods of the rules with ``owed_by`` begin, from the roster of their first moment; whether any did.

        After a downtime every period that was slept through begins, in order, with its own dates. A new rule counts
        from now on, never backwards. Whoever was on the roster when a period began, but is heard of after that, owes
        nothing for it. The cost follows what begins: until the next first day nothing is read.
        """
        today = local_day(self.clock())
        come = [
            rule
            for rule in self.rulebook
            if rule.owed_by and self._next_period.get(rule.id, date.min) <= today
        ]
        return sum(self._begin_period(rule, today) for rule in come) > 0

    def _begin_period(self, rule: Rule, today: date) -> bool:
        """The rule's next period, if it has come."""
        act = self._own_act(f"periods:{rule.id}")
        periods = self.find(Periods, Periods.id_of(rule.id))
        if periods is None:
            began_before = act.recorded_at > midnight(today)
            periods = Periods.count(act, rule.id, today + timedelta(days=began_before))
        period = first_period(rule.unit, max(periods.state.since, rule.owed_from or date.min))
        duties: list[Duty] = []
        if period.first <= today:
            at_first = replace(act, happened_at=midnight(period.first))
            for ower in roster(self.views, rule.owed_by, at_first.happened_at):
                led = replace(ower, leader_post=self.leader_of(ower.unit))
                duties.append(Duty.arise(at_first, rule, period, led, self.rulebook.version))
            periods.begin_next(at_first, period, len(duties))
        if not periods.pending_events:
            self._next_period[rule.id] = period.first
            return False
        try:
            self._save([periods, *duties])
        except IntegrityError:
            return False  # another tick was quicker; the next one looks again
        return True

    def recompute(self) -> bool:
        """Work through the clocks that an older calendar reckoned; whether there was any.

        Restartable at any point: what is done is recorded in the cases, what is not is found again. Once a day it looks
        again: a decision that was under way at the release was saved after it, by the calendar before.
        """
        calendar, today = self.reference.calendar(), local_day(self.clock())
        if (calendar.version, today) == self._recomputed:
            return False
        if self._recomputing[0] != calendar.version:
            self._recomputing = (calendar.version, self.log.max_notification_id() or 0)
            self._examined.clear()
        worked = self._recompute_cases(calendar) + self._recompute_windows(calendar) > 0
        worked = self._overtake_drafts(calendar) or worked
        if not worked and self.views.reached(self.name, self._recomputing[1]):
            self._recomputed = (calendar.version, today)
        return worked

    def _recompute_cases(self, calendar: Calendar) -> bool:
        """Reckon the cases whose clocks the calendar touches; whether there was any."""
        worked = False
        for row in self._clocks_touched(calendar):
            seen = (row["id"], row["version"])
            if seen in self._examined:
                continue
            self._examined.add(seen)
            worked = True
            case = self.load(Case, UUID(row["case_id"]))
            case.recompute(self._own_act(f"calendar:{calendar.version}"), self.terms_of(case, calendar))
            if not self._saved(case):
                self._examined.discard(seen)  # changed meanwhile: again at the next step
        return worked

    def _recompute_windows(self, calendar: Calendar) -> bool:
        """Reckon the windows for objections to namings; whether any moved."""
        worked = False
        for naming in self._checked_namings():
            terms = self.terms_of(self.load(Case, naming.state.case_id), calendar)
            naming.recompute(self._own_act(f"calendar:{calendar.version}"), terms)
            worked = worked or bool(naming.pending_events)
            self._saved(naming)
        return worked

    def _overtake_drafts(self, calendar: Calendar) -> bool:
        """End the drafts that were checked against an older calendar; whether there was any."""
        with self.views.reading() as connection:
            drafts = self.views.table(connection, "calendar_drafts")
            older = and_(drafts.c.state == "drafted", drafts.c.follows < calendar.version)
            found = connection.execute(select(drafts.c.id).where(older).order_by(drafts.c.id)).scalars().all()
        worked = False
        for draft_id in found:
            draft = self.load(CalendarDraft, UUID(draft_id))
            if self._released_as(draft) is None:
                draft.overtake(self._own_act(f"calendar:{calendar.version}"), version=calendar.version)
            worked = worked or bool(draft.pending_events)
            self._saved(draft)
        return worked

    def _saved(self, aggregate: Aggregate) -> bool:
        """Save what it has decided; False if it was changed meanwhile."""
        try:
            self._save([aggregate] if aggregate.pending_events else [])
        except IntegrityError:
            return False
        return True

    def _clocks_touched(self, after: Calendar) -> list[dict[str, Any]]:
        """Open and judged clocks whose days ``after`` counts otherwise than the calendar of each, or makes certain."""
        with self.views.reading() as connection:
            clocks = self.views.table(connection, "clocks")
            # A draft does not outlive another release, nor does its clock.
            open_still = and_(clocks.c.state == "open", clocks.c.clock != RELEASE)
            judged_or_open = or_(open_still, clocks.c.state == "stopped")
            older = and_(judged_or_open, clocks.c.calendar_version < after.version)
            in_use = select(clocks.c.calendar_version).where(older).distinct()
            touched: list[ColumnElement[bool]] = [clocks.c.provisional.is_(True)]
            for version in connection.execute(in_use).scalars().all():
                changed = self.calendar_at(version).changed_days(after)
                if changed:
                    begun = or_(clocks.c.started_on <= changed[-1], clocks.c.own_date <= changed[-1])
                    reaches = clocks.c.reckoned_upto >= changed[0]
                    touched.append(and_(clocks.c.calendar_version == version, begun, reaches))
            query = select(clocks).where(older, or_(*touched)).order_by(clocks.c.id)
            return [dict(row._mapping) for row in connection.execute(query)]

    def _own_act(self, because: str) -> CommandContext:
        now = self.clock()
        return CommandContext(
            by=Actor(unit=SUITE_UNIT, post=self.name), because=because, recorded_at=now, happened_at=now
        )

    def _save(self, aggregates: list[Any]) -> None:
        """Save the suite's own decisions together."""
        self.put([event for aggregate in aggregates for event in aggregate.pending_events])
        for aggregate in aggregates:
            aggregate.collect_events()


def at_start(app: Supervision) -> None:
    """What a worker does first: release the rulebook that it was given."""
    app.release_rulebook()


def steps(app: Supervision) -> list[Step]:
    """What a worker does beside projecting and reacting."""
    return [app.start_the_offices_clocks, app.recompute, app.begin_periods, app.take_back, app.tick]


def _as_release(released: CalendarVersion) -> CalendarRelease:
    fact = released.state.fact
    return CalendarRelease(
        version=fact.version,
        title=fact.title,
        layer=fact.layer,
        days=tuple(DayRule(day.day, day.working, day.name) for day in fact.days),
        known_years=tuple(fact.years),
    )


__all__ = ["Supervision", "at_start", "steps"]
