"""Changes between two moments: rows of the read models, and judgements with another verdict since (比对)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import msgspec
from sqlalchemy import select

from services.assignment.api.units import SEE_HOLDERS
from services.audit.past import Past
from services.audit.replay import Stored, columns_that_differ, stored
from services.audit.why import Facts, is_secret
from shared.domain.roles import ALL_SEEING, Role
from shared.domain.words import Enumerated, said, titles
from shared.events import supervision
from shared.events.base import Message
from shared.personal_data.encryption import MASKED
from shared.personal_data.keystore import KeyStore
from shared.readmodels.reference import REFERENCE_VIEWS
from shared.readmodels.view import View

OWNER_OF_REFERENCE = "assignment"
"""Every service folds units, posts and the calendar alike: they are shown once."""
NOBODYS_SECRET = frozenset({*(view.name for view in REFERENCE_VIEWS), "rulebooks"})
"""Views without a column ``secrecy`` that hold nothing of any item."""
NAMES = ("id", "number", "case_number", "case_id", "subject_id", "task_id", "whistle_id", "matter")
"""The columns under which an item is known."""
AN_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
UNITS = ("unit", "lead_unit", "to_unit", "custodian", "desk_unit", "office_unit")

Key = tuple[str, str, str]
"""Service, view, row."""


@dataclass(frozen=True)
class Change:
    """One row that differs at the second moment."""

    service: str
    view: str
    title: str
    id: str
    label: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    columns: Mapping[str, tuple[Any, Any]]

    @property
    def kind(self) -> str:
        """new, gone or changed."""
        return "new" if self.before is None else "gone" if self.after is None else "changed"

    def says(self) -> str:
        """The change in one line."""
        head = f"{self.title} {self.label}"
        if self.kind == "new":
            return f"{head}：新增"
        if self.kind == "gone":
            return f"{head}：不再存在"
        return f"{head}：" + "；".join(
            f"{_column(name)} {_short(_named(name, one))} → {_short(_named(name, other))}"
            for name, (one, other) in self.columns.items()
        )

    def plain(self) -> dict[str, Any]:
        """The JSON document."""
        return {
            "service": self.service,
            "view": self.view,
            "id": self.id,
            "kind": self.kind,
            "says": self.says(),
            "columns": {name: {"before": one, "after": other} for name, (one, other) in self.columns.items()},
        }


@dataclass(frozen=True)
class Otherwise:
    """A judgement and its recount (原判与复算)."""

    case_id: str
    number: str
    clock: str
    cycle: int
    as_judged: str
    recomputed: str
    because: str
    calendar_version: int | None
    fact: str
    says: str
    """Both verdicts in one line."""

    def plain(self) -> dict[str, Any]:
        """The JSON document."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def changes(
    before: Past,
    after: Past,
    role: Role,
    people: KeyStore,
    *,
    item: str | None = None,
    unit: str | None = None,
) -> list[Change]:
    """The rows that differ, of one item or one unit if asked; without those that the asker may not see.

    Personal data are masked, but for the names of posts' holders, where the lists show them to this role.
    """
    cleared = role in ALL_SEEING
    one, other = _rows(before), _rows(after)
    hidden = frozenset() if cleared else _secret_ids(one) | _secret_ids(other)
    wanted = None if item is None else _names_of(item, [*one.items(), *other.items()])
    views = {(service, view.name): view for service, view in _views(after)}
    clocks = {rule.id: rule.name_zh for rule in cast("Any", after.runtimes["supervision"].app).rulebook}

    def clock_said(found: re.Match[str]) -> str:
        return f"{clocks[found[1]]}（第{found[2]}个计时周期）" if found[1] in clocks else found[0]

    found = []
    for key in sorted(one.keys() | other.keys()):
        if one.get(key) == other.get(key):
            continue
        sides = [_decoded(side.get(key)) for side in (one, other)]
        shown = [{**_of_its_case(side, other, one), **side} for side in sides if side is not None]
        if not cleared and any(_is_hidden(key, row, hidden) for row in shown):
            continue
        if wanted is not None and not any(_known_as(row) & wanted for row in shown):
            continue
        if unit is not None and not any(_concerns(row, unit) for row in shown):
            continue
        service, view, id_ = key
        row = shown[-1]
        label = row.get("number") or row.get("case_number") or id_
        part = re.sub(r"^(\w+)/(\d+)$", clock_said, id_.partition("/")[2])
        found.append(
            Change(
                service,
                view,
                _title(views[service, view]),
                id_,
                f"{label} {part}".strip() if label != id_ else id_,
                sides[0],
                sides[1],
                columns_that_differ(one.get(key), other.get(key))
                | (_holders(sides[0], sides[1], role, people) if view == "posts" else {}),
            )
        )
    return found


def _holders(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, role: Role, people: KeyStore
) -> dict[str, tuple[Any, Any]]:
    """A post's holders if they differ; also those whose names release 0.1.0 stored in clear."""
    if before is None or after is None or before["holder"] == after["holder"]:
        return {}
    if role in SEE_HOLDERS:
        before, after = people.revealed([before, after], "id", "holder")
        return {"holder": (before["holder"], after["holder"])}
    return {"holder": (before["holder"] and MASKED, after["holder"] and MASKED)}


def otherwise(
    before: Past,
    after: Past,
    facts: Facts,
    changed: Sequence[Change] | None = None,
    *,
    cleared: bool = False,
) -> list[Otherwise]:
    """Judgements that calendar, rules or late facts have changed in between, of the ``changed`` rows' cases."""
    cases = None if changed is None else {_case_of(change) for change in changed}
    found = []
    for kind in (supervision.VerdictRecomputed, supervision.DeadlineMissRetracted):
        for _, message in facts.of_kind(kind):
            if not after.cut_holds(message) or before.cut_holds(message):
                continue
            if cases is not None and str(message.aggregate_id) not in cases:
                continue
            if cleared or not is_secret(message, facts):
                found.append(_otherwise(message, facts))
    return found


def _otherwise(message: Message, facts: Facts) -> Otherwise:
    fact: Any = message.fact
    case: Any = facts.first(message).fact
    judged, recomputed, because = "missed", "not missed", getattr(fact, "ground", "calendar")
    if isinstance(fact, supervision.VerdictRecomputed):
        judged, recomputed = str(fact.as_judged), str(fact.recomputed)
    version: int | None = getattr(fact, "calendar_version", None)
    rulebook = facts.rulebook(case.rulebook_version)
    clock = "时限" if rulebook is None else rulebook.rule(fact.clock).name_zh
    verdicts = [
        "未超时" if one == "not missed" else str(_named("verdict", one)) for one in (judged, recomputed)
    ]
    says = f"{case.number} {clock}（第{fact.cycle}个计时周期）：原判 {verdicts[0]}，复算 {verdicts[1]}"
    return Otherwise(
        str(message.aggregate_id),
        case.number,
        fact.clock,
        fact.cycle,
        judged,
        recomputed,
        because,
        version,
        message.id,
        f"{says}（{_named('ground', because)}）",
    )


def _case_of(change: Change) -> str | None:
    row = change.after or change.before or {}
    return row.get("case_id") or (change.id if change.view == "cases" else None)


def _views(past: Past) -> Iterator[tuple[str, View]]:
    reference = {view.name for view in REFERENCE_VIEWS}
    for service, runtime in past.runtimes.items():
        for view in runtime.views.views.values():
            if service == OWNER_OF_REFERENCE or view.name not in reference:
                yield service, view


def _rows(past: Past) -> dict[Key, Stored]:
    found = {}
    for service, view in _views(past):
        views = past.runtimes[service].views
        with views.reading() as connection:
            for row in connection.execute(select(views.table(connection, view.name))):
                found[service, view.name, row.id] = stored(row._mapping)
    return found


def _decoded(row: Stored | None) -> dict[str, Any] | None:
    return None if row is None else msgspec.json.decode(row)


def _of_its_case(row: Mapping[str, Any], *rows: Mapping[Key, Stored]) -> dict[str, Any]:
    """What the row of a case's part takes from the case: its number, and who may see it."""
    key = ("supervision", "cases", str(row.get("case_id")))
    case = next((found for side in rows if (found := _decoded(side.get(key))) is not None), {})
    return {name: case[name] for name in ("number", "concerned") if name in case}


def _column(name: str) -> str:
    title = titles().get(("field", name))
    return name if title is None else title.zh


def _named(column: str, value: Any) -> Any:
    """A value as people write it: a moment, an enumerated word by its title."""
    if not isinstance(value, str):
        return value
    if re.match(r"\d{4}-\d\d-\d\dT", value):
        return said(datetime.fromisoformat(value), None, "zh")
    return said(value, Enumerated((), column), "zh") if re.fullmatch("[a-z][a-z_0-9]*", value) else value


def _title(view: View) -> str:
    return (type(view).__doc__ or view.name).split(":")[0]


def _known_as(row: Mapping[str, Any]) -> set[str]:
    names = {row[name] for name in NAMES if isinstance(row.get(name), str)}
    return names | set(AN_ID.findall(row["id"]))


def _concerns(row: Mapping[str, Any], unit: str) -> bool:
    return f",{unit}," in (row.get("concerned") or "") or any(row.get(name) == unit for name in UNITS)


def _names_of(item: str, rows: Sequence[tuple[Key, Stored]]) -> set[str]:
    """All names of the item: a task's number leads to its id, that to its case, and that to its clocks."""
    known = [_known_as(decoded) for _, row in rows if (decoded := _decoded(row)) is not None]
    wanted = {item}
    while True:
        more = set().union(*(names for names in known if names & wanted)) - wanted
        if not more:
            return wanted
        wanted |= more


def _secret_ids(rows: Mapping[Key, Stored]) -> frozenset[str]:
    found: set[str] = set()
    for row in rows.values():
        decoded = msgspec.json.decode(row)
        if decoded.get("secrecy") == "secret":
            found |= {name for name in _known_as(decoded) if AN_ID.search(name)}
    return frozenset(found)


def _is_hidden(key: Key, row: Mapping[str, Any], hidden: frozenset[str]) -> bool:
    """Fail closed: a row of a secret item is secret, whatever its own secrecy."""
    if row.get("secrecy") == "secret":
        return True
    return key[1] not in NOBODYS_SECRET and bool(_known_as(row) & hidden)


def _short(value: Any) -> str:
    text = "—" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "…"
