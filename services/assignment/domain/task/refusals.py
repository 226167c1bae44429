"""The rules of a task list's tasks (measure 7), each by its name and in the words that the user reads."""

from services.assignment.domain.task.state import End, PartState
from shared.domain.refusal import Refusal
from shared.domain.words import Enumerated

# -- what a task must be to be assigned ------------------------------------------------------------------------


class UnmeasurableTarget(Refusal):
    """量化目标不可衡量：指标和计量单位不能为空，目标值须大于零（现为“{metric}” {value} “{unit}”）
    The target is unmeasurable: it needs a metric, a unit and a value above zero (it is "{metric}" {value} "{unit}")"""

    status = 422
    field = "target"


class TwoLeads(Refusal):
    """一项任务只能有一个牵头单位：{unit} 已牵头，不能同时配合
    A task has exactly one lead unit: {unit} leads, so it cannot support as well"""

    status = 422
    field = "supporters"


class PostOfAnotherUnit(Refusal):
    """岗位 {post} 不属于单位 {unit}
    The post {post} does not belong to the unit {unit}"""

    status = 422
    field = "post"


class PostIsVacant(Refusal):
    """岗位 {post} 空缺，无人负责，不能交办
    The post {post} is vacant: nobody would answer for the task"""

    status = 422
    field = "post"


class DueOnRestDay(Refusal):
    """{day} 是休息日；前后的工作日是 {before} 和 {after}
    {day} is a rest day; the working days around it are {before} and {after}"""

    status = 422
    field = "due_on"


class DueBeforeList(Refusal):
    """完成时限 {due_on} 早于清单日期 {dated}
    The due date {due_on} is before the list's own date {dated}"""

    status = 422
    field = "due_on"


class MilestoneOutside(Refusal):
    """节点日期 {on} 须在清单日期 {dated} 与完成时限 {due_on} 之间
    The milestone of {on} must lie between the list's date {dated} and the due date {due_on}"""

    status = 422
    field = "milestones"


class MilestoneStandsTwice(Refusal):
    """{on} 的节点“{what}”出现了两次
    The milestone "{what}" of {on} stands twice"""

    status = 422
    field = "milestones"


# -- who and when ----------------------------------------------------------------------------------------------


class TaskAlreadyClosed(Refusal, state=Enumerated(End)):
    """任务 {number} 已结束（{state}），不能再操作
    The task {number} has ended ({state}); nothing more is done with it"""


class TaskIsSuspended(Refusal):
    """任务 {number} 已暂停，恢复后才能操作
    The task {number} is suspended; resume it first"""


class BeforeItWasAssigned(Refusal):
    """发生时间 {happened_at} 早于交办时间 {assigned_at}
    The time of the fact, {happened_at}, is before the task was assigned, {assigned_at}"""

    status = 422
    field = "happened_at"


class UnitNotOnTask(Refusal):
    """单位 {unit} 既不牵头也不配合任务 {number}
    The unit {unit} neither leads nor supports the task {number}"""

    status = 403


class OnlyTheLead(Refusal):
    """这件事只能由任务 {number} 的牵头单位 {lead} 办理
    Only the lead unit {lead} may do this for the task {number}"""

    status = 403


class NotTheLeaderInCharge(Refusal):
    """岗位 {post} 不分管任务 {number}；由分管领导 {leader} 或政府主要领导决定
    The post {post} is not in charge of the task {number}; {leader} or the main leader decides"""

    status = 403


# -- accepting, returning, reassigning -------------------------------------------------------------------------


class AcceptedAlready(Refusal):
    """单位 {unit} 已签收任务 {number}
    The unit {unit} has accepted the task {number} already"""


class TaskIsReturned(Refusal):
    """任务 {number} 已退回，等待改派
    The task {number} was returned and waits to be reassigned"""


class SuggestsItself(Refusal):
    """退回时应建议由其他单位承办，不能建议本单位
    A return suggests another unit, not one's own"""

    status = 422
    field = "suggested_unit"


class LeadsAlready(Refusal):
    """单位 {unit} 已在牵头任务 {number}
    The unit {unit} leads the task {number} already"""


class ReferredToLeader(Refusal):
    """任务 {number} 已三次退回，由 {leader} 决定由谁承办
    The task {number} was returned three times: {leader} decides who takes it"""

    status = 403


# -- supporters ------------------------------------------------------------------------------------------------


class PartIsReturned(Refusal):
    """单位 {unit} 已退回所承担的配合任务，等待改派或免除
    The unit {unit} has returned its part, which waits to be reassigned or waived"""


class SupportsAlready(Refusal):
    """单位 {unit} 已在承担这项配合任务
    The unit {unit} has this part already"""

    status = 422
    field = "unit"


class NotTheLeadOrItsLeader(Refusal):
    """任务 {number} 的配合任务由牵头单位 {lead}、分管领导 {leader} 或政府主要领导改派
    A part of the task {number} is reassigned by its lead {lead}, by {leader} or by the main leader"""

    status = 403


# -- milestones ------------------------------------------------------------------------------------------------


class NoSuchMilestone(Refusal):
    """任务 {number} 在 {on} 没有节点“{what}”
    The task {number} has no milestone "{what}" on {on}"""

    status = 422
    field = "what"


class MilestoneReachedAlready(Refusal):
    """节点“{what}”已于 {reached_on} 到达
    The milestone "{what}" was reached on {reached_on}"""


# -- progress and completion -----------------------------------------------------------------------------------


class NegativeProgress(Refusal):
    """进度不能是负数：{value}
    Progress cannot be negative: {value}"""

    status = 422
    field = "value"


class PieceWithoutQuantity(Refusal):
    """分解项“{project}”的数量须大于零
    The piece "{project}" needs a quantity above zero"""

    status = 422
    field = "items"


class PieceAfterDue(Refusal):
    """分解项“{project}”的日期 {on} 晚于完成时限 {due_on}
    The piece "{project}" is dated {on}, after the task's due date {due_on}"""

    status = 422
    field = "items"


class NotASupporter(Refusal):
    """单位 {unit} 不配合任务 {number}
    The unit {unit} does not support the task {number}"""

    status = 422
    field = "unit"


class PartIsClosed(Refusal, state=Enumerated(PartState)):
    """单位 {unit} 的配合任务已结束（{state}）
    The part of the unit {unit} is over ({state})"""


class RequiredPartIsOpen(Refusal):
    """必办的配合任务尚未完成也未免除：{units}
    Required parts are neither done nor waived: {units}"""


class CompletionWithoutReport(Refusal):
    """任务 {number} 还没有进展报告，申报办结须附佐证材料
    No progress of the task {number} has been reported: a claim needs a report of progress or evidence"""

    status = 422
    field = "evidence"


class CompletionIsClaimed(Refusal):
    """任务 {number} 已申报办结，等待认定
    Completion of the task {number} is claimed and waits to be judged"""


class NoCompletionClaimed(Refusal):
    """任务 {number} 没有申报办结
    Completion of the task {number} is not claimed"""


class MayNotJudgeOwnUnit(Refusal):
    """{unit} 承办任务 {number}，不能认定本单位的办结
    {unit} is on the task {number} and does not judge its own unit"""

    status = 403


class CompletionNotAccepted(Refusal):
    """任务 {number} 的办结尚未认定，不能因无新批示而销号
    The completion of the task {number} is not accepted yet, so no new instruction does not close it"""


class NotFromAnInstruction(Refusal):
    """任务 {number} 不是领导批示件
    The task {number} does not come from a leader's instruction"""


class DateOnlyForAnAcceptedItem(Refusal):
    """任务 {number} 的办结尚未认定，新批示不能另定时限；时限通过延期更改
    The completion of the task {number} is not accepted: a new instruction sets no date; extend the present one"""

    status = 409
    field = "due_on"


class InstructionDueInThePast(Refusal):
    """新批示的时限 {due_on} 须晚于今天（{today}）
    The date of a new instruction, {due_on}, must be later than today, {today}"""

    status = 422
    field = "due_on"


# -- extensions ------------------------------------------------------------------------------------------------


class ExtensionAfterDue(Refusal):
    """完成时限 {due_on} 已过，不能再申请延期
    The due date {due_on} has passed; an extension is asked before it"""


class ExtensionMustMoveForward(Refusal):
    """新的时限 {new_due_on} 须晚于现在的时限 {due_on}
    The new date {new_due_on} must be later than the present one, {due_on}"""

    status = 422
    field = "new_due_on"


class ExtensionTooLong(Refusal):
    """延期至 {new_due_on} 超过一次延期的上限（{most} 个工作日），最迟可延至 {latest}
    {new_due_on} is beyond what one extension may add ({most} working days): {latest} at the latest"""

    status = 422
    field = "new_due_on"


class ExtensionIsAsked(Refusal):
    """任务 {number} 的延期申请尚未答复
    An extension of the task {number} is asked already and not decided"""


class ExtensionsUsedUp(Refusal):
    """任务 {number} 已延期 {times} 次，至多 {most} 次
    The task {number} was extended {times} times; {most} is the most"""


class NoExtensionAsked(Refusal):
    """任务 {number} 没有待决定的延期申请
    No extension of the task {number} waits to be decided"""


class AskerMayNotDecide(Refusal):
    """延期由上一级决定，申请人不能自己决定
    An extension is decided one level above; the asker does not decide it"""

    status = 403


# -- disputes and the end --------------------------------------------------------------------------------------


class DisputeIsOpen(Refusal):
    """任务 {number} 已有一个分歧尚未裁定
    A disagreement about the task {number} is not ruled on yet"""


class NoDispute(Refusal):
    """任务 {number} 没有待裁定的分歧
    No disagreement about the task {number} waits for a ruling"""


class DisputesWithItself(Refusal):
    """单位 {unit} 不能与自己有分歧
    The unit {unit} cannot disagree with itself"""

    status = 422
    field = "with_units"


class DisputeWithoutSolution(Refusal):
    """牵头单位还没有提出解决方案，不能提交裁定
    The lead has not written down a proposed solution yet, so there is nothing to rule on"""


class NotSuspended(Refusal):
    """任务 {number} 没有暂停
    The task {number} is not suspended"""


class SupersedesItself(Refusal):
    """任务 {number} 不能由自己替代
    The task {number} cannot take its own place"""

    status = 422
    field = "by_task"
