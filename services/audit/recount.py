"""Recount: a figure, list or naming is recomputed from the events and compared with the published one (复算).

Byte for byte: the same as-of gives the same bytes, or the difference is shown.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from services.audit.past import Answer, Cut, Past, Pasts, ask, web_for
from services.audit.why import Facts, is_secret, subjects
from services.suite import SUITE
from services.supervision.domain import Case
from services.supervision.domain.streaks import naming_streaks
from shared.application.application import Application
from shared.domain.refusal import Refusal
from shared.events import supervision
from shared.process.config import Config
from shared.runtime.opening import open_service
from shared.web.auth import Identity

ATTEMPTS = 5
"""Attempts at an answer of the live suite without a concurrent write."""
SIX_RATES, ON_TIME = "/api/v1/whistle-rates", "/api/v1/rates"
KNOWS_ITS_AS_OF = (SIX_RATES, ON_TIME)
"""What the live suite answers for a moment that has passed."""


class NothingToRecount(Refusal):
    """“{subject}”无法复算；可写 rate:起..止、on-time:起..止、board:路径、naming:号/年
    "{subject}" cannot be recounted; write rate:since..until, on-time:since..until, board:path, naming:number/year"""

    status = 422
    field = "subject"


class SuiteNeverRested(Refusal):
    """系统一直有新的登记，未能在同一时点取得在用的答复，请稍后再试。
    The suite was written to all the while: its answer could not be had for one moment. Try again."""

    status = 503
    headers = {"Retry-After": "5"}  # noqa: RUF012 - as Refusal's others declare it


@dataclass(frozen=True)
class Recount:
    """What the events give, and what is published."""

    subject: str
    as_of: datetime
    recounted: bytes
    published: bytes | None
    """None: nothing was published for that moment that could be asked for now."""
    differences: tuple[tuple[str, Any, Any], ...] = ()
    """Where in the document, published, recounted."""

    @property
    def equal(self) -> bool | None:
        """Byte for byte."""
        return None if self.published is None else self.recounted == self.published

    def plain(self) -> dict[str, Any]:
        """The JSON document."""
        return {
            "subject": self.subject,
            "as_of": self.as_of.isoformat(),
            "equal": self.equal,
            "bytes": len(self.recounted),
            "recounted": self.recounted.decode(),
            "published": None if self.published is None else self.published.decode(),
            "differences": [
                {"at": at, "published": published, "recounted": recounted}
                for at, published, recounted in self.differences
            ],
        }


def path_of(subject: str) -> str | None:
    """The HTTP address that publishes it; None for a naming. Raises NothingToRecount."""
    kind, _, name = subject.partition(":")
    if kind == "naming":
        return None
    if kind == "board" and name:
        return name if name.startswith("/") else f"/api/v1/{name}"
    period = re.fullmatch(r"(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)", name)
    if period is None or kind not in ("rate", "on-time"):
        raise NothingToRecount(subject=subject)
    if kind == "rate":
        return f"{SIX_RATES}?{urlencode({'from': period[1], 'until': period[2]})}"
    return f"{ON_TIME}?{urlencode({'since': period[1], 'until': period[2]})}"


def recount(
    subject: str,
    as_of: datetime | None,
    *,
    pasts: Pasts,
    facts: Facts,
    identity: Identity,
    now: datetime,
    cleared: bool,
) -> Recount:
    """Recount from the events as of a recorded moment (default: now), within ``pasts.alone``.

    Raises NothingToRecount, NothingToCompare, NoSuchAnswer, NoSuchThing, MomentHasNotCome, SuiteNeverRested, and
    what the published address itself refuses.
    """
    path = path_of(subject)
    if path is None:
        return _naming(subject, pasts, facts, identity, now, cleared)
    moment = as_of or now
    if path.startswith(KNOWS_ITS_AS_OF):
        path += "&" + urlencode({"as_of": moment.isoformat()})
    past = pasts.at(Cut(recorded=moment))
    past.must_hold_facts()
    again = _accepted(past.answer(path, identity))
    if as_of is not None and not path.startswith(KNOWS_ITS_AS_OF):
        return Recount(subject, moment, again.body, None)
    for _ in range(ATTEMPTS):
        sizes = _sizes(pasts.logs)
        published = _accepted(live_answer(pasts.config, path, identity, moment, sizes))
        if sizes == _sizes(pasts.logs) and past.still_is(pasts.logs):
            return compared(subject, moment, again, published)
        past = pasts.at(Cut(recorded=moment))
        again = _accepted(past.answer(path, identity))
    raise SuiteNeverRested()


class PublishedAddressRefuses(Refusal):
    """该地址答复 {status}：{detail}
    The address answers {status}: {detail}"""

    status = 422
    field = "subject"


def _accepted(answer: Answer) -> Answer:
    if answer.status != 200:
        raise PublishedAddressRefuses(status=answer.status, detail=answer.json.get("detail", ""))
    return answer


def _sizes(logs: Mapping[str, Application]) -> dict[str, int]:
    return {name: application.log.max_notification_id() or 0 for name, application in logs.items()}


def live_answer(
    config: Config, path: str, identity: Identity, now: datetime, sizes: Mapping[str, int]
) -> Answer:
    """What the live suite answers with its clock at ``now``, when its read models have come to these positions."""
    for name, service in SUITE.items():
        runtime = open_service(service, config, lambda: now)
        try:
            webs = {name: runtime.web()}
            if not _knows(path, webs):
                continue
            if not config.kafka:
                runtime.catch_up()  # no worker may be running on this folder
            positions = ",".join(
                f"{source}:{sizes[source]}" for source in _followed(service.views) & sizes.keys()
            )
            joined = path + ("&" if "?" in path else "?") + urlencode({"at_least": positions})
            return ask(webs[name], name, joined if positions else path, identity, config, now)
        finally:
            runtime.close()
    raise AssertionError("a Past has answered the same path")


def _followed(views: Any) -> set[str]:
    return {source for view in views for source in view().sources}


def _knows(path: str, webs: Mapping[str, Any]) -> bool:
    try:
        return bool(web_for(path, webs))
    except Refusal:
        return False


def compared(subject: str, moment: datetime, again: Answer, published: Answer) -> Recount:
    """Compare byte for byte, and list the differences."""
    found = () if again.body == published.body else tuple(_differences("", published.json, again.json))
    if again.body != published.body and not found:
        found = (("", "the same content", "in other bytes"),)
    return Recount(subject, moment, again.body, published.body, found)


def _differences(at: str, one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(one.keys() | other.keys()):
            yield from _differences(f"{at}/{name}", one.get(name), other.get(name))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, (first, second) in enumerate(zip(one, other, strict=True)):
            yield from _differences(f"{at}/{place}", first, second)
    elif one != other:
        yield at, one, other


def _naming(
    subject: str, pasts: Pasts, facts: Facts, identity: Identity, now: datetime, cleared: bool
) -> Recount:
    """The bulletin's text made anew from the rounds as they stood when it was drafted; and whether it was due."""
    (published,) = subjects(facts, subject)
    fact: Any = published.fact
    if not cleared and is_secret(published, facts):
        raise NothingToRecount(subject=subject)
    of_it = facts.of(published.source, published.aggregate_id)
    kinds = supervision.NamingDrafted | supervision.NamingRedrafted
    draft: Any = [one for one in of_it[: published.version] if isinstance(one.fact, kinds)][-1]
    drafted: Any = facts.first(published).fact
    if fact.corrects is not None:  # a correction's text is written by a person, not made from facts
        again = draft.fact.text
    else:
        past = pasts.at(Cut(recorded=draft.fact.timestamp))
        again = naming_text_of(past, drafted, told=draft.fact.holder_since is not None)
    moment = fact.timestamp
    one, other = fact.text.encode(), again.encode()
    found = () if one == other else (("/text", fact.text, again),)
    return Recount(subject, moment, other, one, found)


def naming_text_of(past: Past, drafted: supervision.NamingDrafted, *, told: bool) -> str:
    """What the rounds of a case give as the text of its naming; a line that says so if they give none.

    ``told``: whether it says which holder of the post it means; drafts of earlier releases do not.
    """
    app: Any = past.runtimes["supervision"].app
    case = app.load(Case, drafted.case_id)
    due = [streak for streak in naming_streaks(case.state.concluded) if streak.unit == drafted.unit]
    if not any(streak.named_for == tuple(drafted.rounds) for streak in due):
        return f"两轮督办 {drafted.rounds} 不构成连续缓慢 no two consecutive slow rounds"
    since = app.holder_since(case, drafted.rounds) if told else None
    return str(app.text_for(case, drafted.rounds, since))
