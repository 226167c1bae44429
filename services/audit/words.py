"""Facts as one line of Chinese each, for chains of reasons (用语)."""

import inspect
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from shared.domain.words import enumerated_in, said
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


def title_of(fact: Fact) -> str:
    """The event's Chinese name."""
    return (inspect.getdoc(VOCABULARY[fact.TOPIC]) or fact.TOPIC).split(":")[0]


def statement(fact: Fact, names: Mapping[str, str], rulebook: Rulebook | None = None) -> str:
    """The fact in one line. ``names``: of units and posts; ``rulebook``: for the names of clocks."""
    clocks = {} if rulebook is None else {rule.id: rule.name_zh for rule in rulebook}
    enumerated = enumerated_in(VOCABULARY[fact.TOPIC])
    parts = []
    for name, label in LABELS.items():
        value = getattr(fact, name, None)
        if value is None or value in ("", (), False) or (name == "clock" and value not in clocks):
            continue
        known = {**names, **(clocks if name == "clock" else {})}
        parts.append(f"{label}{word(said(value, enumerated.get(name), 'zh'), known)}")
    return "，".join(parts)


def word(value: Any, names: Mapping[str, str]) -> str:
    """A value as people write it."""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, date | Decimal | int):
        return str(value)
    text = " ".join(str(value).split())
    named = names.get(text, text)
    return f"“{named}”" if named == text and len(text) > 20 and not text.endswith("（北京时间）") else named
