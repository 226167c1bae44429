"""Facts as one line of Chinese each, for chains of reasons (用语)."""

import inspect
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from shared.domain.clock import SHANGHAI
from shared.events.base import VOCABULARY, Fact
from shared.rulebook import Rulebook

LABELS: Mapping[str, str] = {
    "number": "编号",
    "title": "标题",
    "round": "轮次",
    "clock": "时限",
    "cycle": "周期",
    "version": "版本",
    "unit": "单位",
    "lead_unit": "牵头",
    "from_unit": "由",
    "to_unit": "转",
    "post": "岗位",
    "to_post": "收件",
    "due_on": "期限",
    "original_due_on": "原期限",
    "stopped_at": "停止于",
    "detected_at": "发现于",
    "verdict": "认定",
    "as_judged": "原判",
    "recomputed": "复算",
    "unsigned": "未签字",
    "trigger": "起因",
    "level": "层级",
    "rounds": "轮次",
    "signed_by": "签字",
    "upheld": "成立",
    "approved_by": "批准",
    "year": "年度",
    "subject": "主题",
    "reason": "理由",
    "ground": "依据",
    "how": "方式",
    "promised_on": "承诺",
}
"""The fields that a line shows, in this order, with their names."""
WORDS: Mapping[str, str] = {
    "slow": "缓慢",
    "on_track": "正常推进",
    "resolved": "已解决",
    "in_time": "按时",
    "late": "超时",
    "deadline_missed": "超过时限",
    "own_initiative": "主动督办",
    "slow_round": "上一轮缓慢",
    "fact_arrived_late": "事实迟到",
    "calendar": "节假日安排调整",
    "extended": "经批准延期",
    "resumed": "恢复计时",
    "approaching": "临近",
    "rescheduled": "时限调整",
    "missed": "超时",
    "round1": "第一轮督办",
    "round2": "第二轮督办",
    "unresolved": "两次督办仍未解决",
    "naming": "通报",
}


def title_of(fact: Fact) -> str:
    """The event's Chinese name."""
    return (inspect.getdoc(VOCABULARY[fact.TOPIC]) or fact.TOPIC).split(":")[0]


def statement(fact: Fact, names: Mapping[str, str], rulebook: Rulebook | None = None) -> str:
    """The fact in one line. ``names``: of units and posts; ``rulebook``: for the names of clocks."""
    clocks = {} if rulebook is None else {rule.id: rule.name_zh for rule in rulebook}
    parts = []
    for name, label in LABELS.items():
        value = getattr(fact, name, None)
        if value is None or value in ("", (), False):
            continue
        parts.append(f"{label}{word(value, names, clocks if name == 'clock' else {})}")
    return "，".join(parts)


def word(value: Any, names: Mapping[str, str], clocks: Mapping[str, str]) -> str:
    """A value as people write it."""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, datetime):
        return f"{value.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
    if isinstance(value, date | Decimal | int):
        return str(value)
    if isinstance(value, tuple):
        return "、".join(word(one, names, clocks) for one in value)
    text = " ".join(str(value).split())
    named = clocks.get(text) or names.get(text) or WORDS.get(text) or text
    return f"“{named}”" if named == text and len(text) > 20 else named
