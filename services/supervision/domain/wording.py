"""The text of a naming, from the facts and nothing else: the same facts, the same text."""

from datetime import date

from services.supervision.domain.rounds import round_of
from services.supervision.domain.state import CaseState
from shared.domain.clock import local_day


def naming_text(
    case: CaseState,
    unit_name: str,
    post_title: str | None,
    rounds: tuple[int, ...],
    *,
    holder_since: date | None = None,
) -> str:
    """The draft in Chinese. Of a secret matter it never gives the title, and says that it stays within."""
    secret = case.secrecy == "secret"
    matter, named = ("有关事项", "内部通报") if secret else (f"“{case.title}”", "公开通报")
    lines = [
        f"关于{unit_name}督办事项进展缓慢的{'内部' if secret else ''}通报",
        "",
        f"{unit_name}承办的{matter}（编号：{case.number}），经连续{len(rounds)}轮督办，均认定为进展缓慢：",
    ]
    for number in rounds:
        one = round_of(case, number)
        concluded = f"，{local_day(one.judged_at):%Y年%-m月%-d日}认定为缓慢" if one.judged_at else ""
        unsigned = "（期限内无主要负责人签字的答复）" if one.unsigned else ""
        lines.append(
            f"第{number}轮督办：{local_day(one.issued_at):%Y年%-m月%-d日}发出，"
            f"答复期限{one.due_on:%Y年%-m月%-d日}{concluded}{unsigned}。"
        )
    appointed = f"（{holder_since:%Y年%-m月%-d日}任职者）" if holder_since else ""
    responsible = f"，责任岗位：{post_title}{appointed}" if post_title else ""
    within = "本通报涉密，不公开、不编号。" if secret else ""
    lines += ["", f"现对{unit_name}予以{named}{responsible}。{within}请立即整改，整改到位后申请撤销。"]
    return "\n".join(lines)
