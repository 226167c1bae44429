"""What the enterprise service tells: enterprises and their whistles 企业吹哨、部门报到 (measure 13)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from shared.events.base import Fact, Personal
from shared.events.matter import BeginsMatter, Matter, MatterFact, Movement, Secrecy

ServiceMode = Literal["agent", "appointment", "door_to_door", "none"]
Urgency = Literal["normal", "urgent"]
Channel = Literal["web", "phone", "window", "service_day"]
ContactedBy = Literal["phone", "visit", "meeting", "online"]


@dataclass(frozen=True, kw_only=True)
class EnterpriseRegistered(Fact):
    """企业登记: an enterprise, known by its unified social credit code (GB 32100-2015)."""

    TOPIC = "enterprise.enterprise_registered"
    credit_code: str
    name: str
    contact_name: Annotated[str, Personal("credit_code")] = ""
    contact_phone: Annotated[str, Personal("credit_code")] = ""
    key_enterprise: bool = False


@dataclass(frozen=True, kw_only=True)
class WhistleBlown(BeginsMatter):
    """企业吹哨: an enterprise needs help; contact, resolve-or-confirm and the hard limit all run from ``happened_at``.

    ``desk_unit`` has it in hand until it is routed.
    """

    TOPIC = "enterprise.whistle_blown"
    MATTER = "whistle"
    number: str
    enterprise_id: UUID
    credit_code: str
    enterprise_name: str
    category: str
    title: str
    text: str
    project: str = ""
    urgency: Urgency = "normal"
    channel: str = "web"
    service_mode: ServiceMode = "none"
    confidential: bool = False
    desk_unit: str
    leader_post: str
    repeats: UUID | None = None

    @property
    def secrecy(self) -> Secrecy:
        """密级: an enterprise's trouble is nobody else's business, and a confidential one not even its title is."""
        return "secret" if self.confidential else "internal"

    def begins(self) -> Sequence[Matter]:
        """The whistle, in the hands of the desk."""
        return [
            Matter(
                unit=self.desk_unit,
                number=self.number,
                title=self.title,
                leader_post=self.leader_post,
                secrecy=self.secrecy,
                reporter=self.credit_code,
            )
        ]


@dataclass(frozen=True, kw_only=True)
class WhistleRouted(Fact):
    """派单: a lead unit and supporting units have it now; ``transfers`` counts how often it changed hands."""

    TOPIC = "enterprise.whistle_routed"
    from_unit: str
    lead_unit: str
    post: str
    supporters: tuple[str, ...] = ()
    transfers: int


@dataclass(frozen=True, kw_only=True)
class WhistleReturned(Fact):
    """退单: the lead returned it with a reason and a suggested owner; no clock moves."""

    TOPIC = "enterprise.whistle_returned"
    RESTS_ON = (WhistleRouted,)
    unit: str
    reason: str
    suggested_unit: str
    desk_unit: str
    times: int


@dataclass(frozen=True, kw_only=True)
class WhistleRaisedALevel(Fact):
    """提级办理: three reworks or three transfers; the leader in charge decides."""

    TOPIC = "enterprise.whistle_raised_a_level"
    leader_post: str
    ground: Literal["reworks", "transfers"]


@dataclass(frozen=True, kw_only=True)
class EnterpriseContacted(MatterFact, Movement):
    """联系企业: a unit got in touch with the enterprise at ``happened_at``; stops the contact clock."""

    TOPIC = "enterprise.enterprise_contacted"
    MOVED = "已联系企业"
    MATTER = "whistle"
    CONFIRMED_BY = "enterprise"
    unit: str
    how: ContactedBy
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class ServicePlanProposed(Movement):
    """提出服务方案: the lead proposes plan, steps and a date within 30 working days of the whistle."""

    TOPIC = "enterprise.service_plan_proposed"
    MOVED = "提出服务方案"
    RESTS_ON = (WhistleRouted, EnterpriseContacted)
    unit: str
    plan: str
    steps: tuple[str, ...]
    promised_on: date


@dataclass(frozen=True, kw_only=True)
class ServiceConfirmed(MatterFact, Movement):
    """服务确认: the enterprise agreed to the plan and its date; stops resolve-or-confirm."""

    TOPIC = "enterprise.service_confirmed"
    MOVED = "服务方案经企业确认"
    RESTS_ON = (ServicePlanProposed,)
    MATTER = "whistle"
    CONFIRMED_BY = None
    unit: str
    plan: str
    promised_on: date

    def own_date(self) -> date:
        """The day that was promised."""
        return self.promised_on


@dataclass(frozen=True, kw_only=True)
class WhistleResolved(MatterFact, Movement):
    """诉求办结: the lead reports it resolved; the enterprise confirms and rates."""

    TOPIC = "enterprise.whistle_resolved"
    MOVED = "诉求办结"
    RESTS_ON = (WhistleRouted, ServiceConfirmed)
    MATTER = "whistle"
    unit: str
    result: str
    rating_until: date


@dataclass(frozen=True, kw_only=True)
class WhistleRated(Fact):
    """企业评价: the enterprise, and only it, says whether it is solved and whether it is satisfied."""

    TOPIC = "enterprise.whistle_rated"
    RESTS_ON = (WhistleResolved,)
    solved: bool
    satisfied: bool
    score: int
    comment: str = ""


@dataclass(frozen=True, kw_only=True)
class ReworkOrdered(Fact):
    """返工重办: the enterprise is not satisfied; the lead does it again while the total limit runs on."""

    TOPIC = "enterprise.rework_ordered"
    RESTS_ON = (WhistleResolved, WhistleRated)
    reason: str
    times: int


@dataclass(frozen=True, kw_only=True)
class InfeasibilityClaimed(MatterFact):
    """申报不可行: the lead says it cannot be done, with the legal ground; a second reviewer decides."""

    TOPIC = "enterprise.infeasibility_claimed"
    MATTER = "whistle"
    RESTS_ON = (WhistleRouted,)
    unit: str
    legal_ground: str
    explanation: str


@dataclass(frozen=True, kw_only=True)
class InfeasibilityReviewed(MatterFact):
    """不可行复核: a second reviewer, of another unit than the lead, upheld or rejected it."""

    TOPIC = "enterprise.infeasibility_reviewed"
    MATTER = "whistle"
    CONFIRMED_BY = None
    RESTS_ON = (InfeasibilityClaimed,)
    upheld: bool
    reason: str


@dataclass(frozen=True, kw_only=True)
class WhistleMerged(Fact):
    """并案: goes on within another whistle; its own reporter keeps the right to be contacted and to rate."""

    TOPIC = "enterprise.whistle_merged"
    into: UUID


@dataclass(frozen=True, kw_only=True)
class ReporterJoined(Fact):
    """并入诉求人: another enterprise's whistle was merged into this one."""

    TOPIC = "enterprise.reporter_joined"
    whistle_id: UUID
    enterprise_id: UUID
    number: str


@dataclass(frozen=True, kw_only=True)
class WhistleUnmerged(Fact):
    """撤销并案: it goes on by itself again; its clocks run from its own blowing."""

    TOPIC = "enterprise.whistle_unmerged"
    RESTS_ON = (WhistleMerged,)
    out_of: UUID
    reason: str


@dataclass(frozen=True, kw_only=True)
class RepeatLinked(Fact):
    """重复诉求关联: the same enterprise blew for the same matter again; linked, never blocked."""

    TOPIC = "enterprise.repeat_linked"
    earlier: UUID


@dataclass(frozen=True, kw_only=True)
class WhistleWithdrawn(MatterFact):
    """撤回诉求: the enterprise took it back."""

    TOPIC = "enterprise.whistle_withdrawn"
    MATTER = "whistle"
    CLOSES = "withdrawn"
    reason: str


@dataclass(frozen=True, kw_only=True)
class WhistleClosed(MatterFact):
    """诉求办结归档: rated as solved, left unrated to the end of the window (未评价, not satisfied), or not feasible."""

    TOPIC = "enterprise.whistle_closed"
    RESTS_ON = (WhistleResolved, WhistleRated, InfeasibilityReviewed)
    MATTER = "whistle"
    ground: Literal["rated", "unrated", "not_feasible"]


@dataclass(frozen=True, kw_only=True)
class WhistleRegisterOpened(Fact):
    """启用吹哨登记簿: the register of one year (Asia/Shanghai), in which whistles are numbered without a gap."""

    TOPIC = "enterprise.whistle_register_opened"
    year: int


@dataclass(frozen=True, kw_only=True)
class WhistleNumberIssued(Fact):
    """吹哨编号: the register gave a whistle the year's next number.

    ``matter`` names what it is about (enterprise, category and title), so that a repeat is recognised.
    """

    TOPIC = "enterprise.whistle_number_issued"
    serial: int
    number: str
    whistle_id: UUID
    matter: UUID


@dataclass(frozen=True, kw_only=True)
class ConcernRaised(Fact):
    """首次提出诉求: an enterprise blew its first whistle about something (same enterprise, category and title)."""

    TOPIC = "enterprise.concern_raised"
    whistle_id: UUID


@dataclass(frozen=True, kw_only=True)
class ConcernRaisedAgain(Fact):
    """再次提出诉求: an enterprise blew another whistle about the same thing; a repeat, unless it is long after."""

    TOPIC = "enterprise.concern_raised_again"
    whistle_id: UUID
