"""What a whistle refuses, each rule under its own name."""

from services.enterprise.domain.whistle.state import Status
from shared.domain.refusal import Refusal
from shared.domain.words import Enumerated
from shared.events.enterprise import Channel


class WhistleIsClosed(Refusal, state=Enumerated(Status, "Whistle.state")):
    """诉求 {number} 已结束（{state}），不能再办理。
    The whistle {number} has ended ({state}); nothing more is done about it."""


class WhistleIsMerged(Refusal):
    """诉求 {number} 已并入另一诉求（{into}），请在该诉求上办理。
    The whistle {number} goes on within another one ({into}): act on that one."""


class WhistleIsResolved(Refusal):
    """诉求 {number} 已报办结，正等待企业评价。
    The whistle {number} is reported as resolved and waits for the enterprise's rating."""


class WhistleIsUnderReview(Refusal):
    """诉求 {number} 正在不可行复核中，复核后才能继续。
    The whistle {number} is being reviewed as not feasible; it goes on after the review."""


class ChannelDoesNotFit(Refusal, channel=Enumerated(Channel)):
    """企业本人提交的渠道是网络；代为登记用电话、服务窗口或项目服务日，不能用“{channel}”。
    An enterprise itself uses the web, a clerk on its behalf phone, window or service day, not "{channel}"."""

    status = 422
    field = "channel"


class BlownForAnotherEnterprise(Refusal):
    """企业只能为自己吹哨，不能替 {credit_code} 吹哨。
    An enterprise blows only its own whistle, not that of {credit_code}."""

    status = 403
    field = "credit_code"


class DeskMustBeAnOffice(Refusal):
    """受理单位必须是政府办公室，{unit} 不是。
    The desk is the government office's, and {unit} is no such office."""

    status = 422
    field = "desk_unit"


class NotALeader(Refusal):
    """{post} 不是政府领导岗位。
    {post} is not a leader's post."""

    status = 422
    field = "leader_post"


class NoLeaderInCharge(Refusal):
    """没有登记分管 {unit} 的领导，也没有登记政府主要领导。
    No leader is registered who is in charge of {unit}, nor a main leader."""


class RoutedByAnotherDesk(Refusal):
    """诉求 {number} 由 {desk_unit} 受理，只能由该单位或领导派单、并案。
    The whistle {number} lies at the desk of {desk_unit}: only it or a leader routes and merges it."""

    status = 403


class OnlyTheLeaderRoutes(Refusal):
    """诉求 {number} 已提级，只能由 {leader_post} 或政府主要领导派单。
    The whistle {number} was raised a level: only {leader_post} or the main leader routes it."""

    status = 403


class LeadAlsoSupports(Refusal):
    """{unit} 已是牵头单位，不能同时是配合单位。
    {unit} leads and cannot support itself."""

    status = 422
    field = "supporters"


class SupporterNamedTwice(Refusal):
    """配合单位 {unit} 重复。
    The supporting unit {unit} is named twice."""

    status = 422
    field = "supporters"


class PostOfAnotherUnit(Refusal):
    """岗位 {post} 不属于牵头单位 {unit}。
    The post {post} does not belong to the lead unit {unit}."""

    status = 422
    field = "post"


class AlreadyRoutedSo(Refusal):
    """诉求 {number} 已由这些单位和岗位办理，没有变化。
    The whistle {number} is with these very units and this post already."""


class NotInHand(Refusal):
    """诉求 {number} 不在 {unit} 手上。
    The whistle {number} is not in the hands of {unit}."""

    status = 403


class NotTheLead(Refusal):
    """只有牵头单位才能这样做，{unit} 不是诉求 {number} 的牵头单位。
    Only the lead unit does this, and {unit} does not lead the whistle {number}."""

    status = 403


class SuggestsItself(Refusal):
    """退单须建议另一个单位办理。
    A return suggests another unit than the one that returns it."""

    status = 422
    field = "suggested_unit"


class PromiseBeyondHardLimit(Refusal):
    """承诺日期 {promised_on} 超过最长办理期限（吹哨后至多30个工作日），最晚为 {last_day}。
    The date {promised_on} is beyond the hard limit of 30 working days; the last possible day is {last_day}."""

    status = 422
    field = "promised_on"


class PromiseOnRestDay(Refusal):
    """承诺日期 {promised_on} 是休息日；前后的工作日是 {before} 和 {after}。
    The date promised, {promised_on}, is a rest day; the working days around it are {before} and {after}."""

    status = 422
    field = "promised_on"


class PromiseInThePast(Refusal):
    """承诺日期 {promised_on} 已过，今天是 {today}。
    The date promised, {promised_on}, has passed; today is {today}."""

    status = 422
    field = "promised_on"


class PromiseHasPassed(Refusal):
    """方案承诺的日期 {promised_on} 已过，须另提方案。
    The date that the plan promises, {promised_on}, has passed: another plan is needed."""


class ResolvedWithoutContact(Refusal):
    """诉求 {number} 还没有联系企业，不能报办结。
    Nobody has contacted the enterprise about the whistle {number}: it cannot be reported as resolved."""


class ReporterNotContacted(ResolvedWithoutContact):
    """并入的诉求 {number} 还没有联系其企业，不能一并报办结。
    Nobody has contacted the reporter of the merged whistle {number}: it cannot be resolved along with this one."""


class NoPlanToAgree(Refusal):
    """诉求 {number} 没有待企业同意的服务方案。
    The whistle {number} has no service plan that waits for agreement."""


class OnlyTheEnterprise(Refusal):
    """只有吹哨企业本人才能这样做。
    Only the enterprise that blew the whistle does this."""

    status = 403


class RatingByHandlerRefused(OnlyTheEnterprise):
    """评价只能由吹哨企业本人作出，办理单位和其他人不能代评。
    Only the enterprise that blew the whistle rates; the handling unit and others do not."""


class NothingToRate(Refusal):
    """诉求 {number} 还没有办结，不能评价。
    The whistle {number} is not resolved yet: there is nothing to rate."""


class RatingWindowIsOver(Refusal):
    """评价期已于 {rating_until} 结束。
    The time for rating ended with {rating_until}."""


class RatingWindowIsOpen(Refusal):
    """评价期到 {rating_until} 才结束。
    The time for rating lasts until {rating_until}."""


class NoInfeasibilityClaimed(Refusal):
    """诉求 {number} 没有待复核的不可行申报。
    The whistle {number} has no claim of infeasibility to be reviewed."""


class ReviewerNotIndependent(Refusal):
    """复核人须属于申报单位 {unit} 以外的单位，申报人不能自行复核。
    The second reviewer is of another unit than {unit}, which claimed it, and never the claimer."""

    status = 403


class MergedWithItself(Refusal):
    """不能并入自身。
    A whistle is not merged into itself."""

    status = 422
    field = "into"


class WhistleHasReporters(Refusal):
    """已有其他诉求并入 {number}，请先撤销并案或直接并入该诉求。
    Other whistles were merged into {number}: undo that first, or merge the other way round."""


class NotMerged(Refusal):
    """诉求 {number} 没有并入其他诉求。
    The whistle {number} is not merged into another one."""


class RepeatOfAnotherEnterprise(Refusal):
    """重复诉求须为同一企业所提，两件诉求的企业不同。
    A repeat is by the same enterprise; these two are not."""

    status = 422
    field = "earlier"


class RepeatOfALaterWhistle(Refusal):
    """{earlier} 不早于本诉求，不能作为先前的诉求。
    {earlier} is not earlier than this whistle and cannot be what it repeats."""

    status = 422
    field = "earlier"


class AlreadyLinked(Refusal):
    """诉求 {number} 已关联到该诉求。
    The whistle {number} is linked to that one already."""


class UnknownEnterprise(Refusal):
    """没有登记统一社会信用代码为 {credit_code} 的企业，请先登记。
    No enterprise with the credit code {credit_code} is registered: register it first."""

    status = 422
    field = "credit_code"


class UnknownWhistle(Refusal):
    """没有编号为 {id} 的诉求。
    There is no whistle with the id {id}."""

    status = 422


class CreditCodeNeeded(Refusal):
    """代为登记须写明企业的统一社会信用代码。
    Whoever registers a whistle on behalf of an enterprise gives its credit code."""

    status = 422
    field = "credit_code"
