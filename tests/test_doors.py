"""One value, one rule: bodies, queries, files and the command line take the same value, or refuse it for one reason.

Every field of every declared command is given the extremes of its kind; where a list, a register of units or the
command line has a door for the same thing, its outcome is compared.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from marshmallow import fields

from services.assignment.domain.task import decisions
from services.suite import SUITE
from shared.calendar import NoDateInPeriod
from shared.domain.aggregate import stable_id
from shared.domain.roles import Role
from shared.domain.text import BLANK, fault
from shared.domain.words import outside_the_years
from shared.testing import Opened, StoppedClock, shanghai
from shared.web.commands import OPERATIONS
from shared.web.fields import Choice, Quantity
from shared.web.http import Day, DueDay, Flag, Id, Moment, Text, Whole
from tests.test_command_line import again
from tests.test_hidden import a_body, service_of
from tests.test_order import ENTERPRISES, TARGET, Suite

NOBODY = stable_id("nobody", 1)
ACTORS = {
    Role.government_office: "office/head",
    Role.supervision_office: "inspect/head",
    Role.unit_head: "fgw/head",
    Role.officer: "fgw/officer",
    Role.main_leader: "gov/main-leader",
    Role.vice_leader: "gov/vice-leader",
    Role.enterprise: ENTERPRISES[0],
}

REFUSED = [
    "甲\u202e乙",
    "\u200e甲",
    "甲\u200f",
    "甲\u061c",
    "甲\u2066乙",
    "甲\u2028乙",
    "甲\x07",
    "甲\ufeff",
    "甲\x85",
]
UNSEEN = ["\u200b", "\u3164\u2800", " \u3000\u00a0", "\u2060\u00ad\ufe0f", "\u180e", "\U000e0020"]
TAKEN = ["👨\u200d👩\u200d👧家", "ᠮᠣᠩᠭᠣᠯ\u202fᠤᠨ\u180eᠠ", "क्\u200dष", "1\u200b", "⺠政", "ﾊﾝｶｸ"]
FAR = ["9999-12-31", "3000-01-01", "1899-12-31", "0001-01-01"]
NO_DAYS = [
    "2021-02-30",
    "2021-13-01",
    "２０２１-01-04",
    "2021-1-4",
    "20210104",
    "2021-01-04T00:00:00Z",
    "长期",
    "",
]
NO_TYPES: list[Any] = [None, [[]], {"x": []}, True, 1.5, -(2**63)]


def zh(reason: Any) -> str:
    return reason.zh if hasattr(reason, "zh") else str(reason)


class Doors(Suite):
    """The suite, and what it answers to a body that holds one value."""

    def asked(self, name: str, body: Any) -> Any:
        command = OPERATIONS[name]
        post = next(ACTORS[role] for role in Role if role in command.roles and role in ACTORS)
        path = re.sub(r"<uuid:\w+>", str(NOBODY), command.of.prefix + command.name)
        path = re.sub(r"<int:\w+>", "1", path).replace("<string:clock>", "task_due")
        path = path.replace("<unit>/<name>", "nobody/head").replace("<unit>", "nobody")
        caller = self.client(service_of(command), post)
        caller.language = "zh"
        return caller.post("/api/v1" + path, body)

    def reasons(self, name: str, body: Any) -> dict[tuple[Any, ...], list[str]]:
        """What is said of the content of each field; the request as a whole never fails."""
        answer = self.asked(name, body)
        assert answer.status_code < 500, (name, body, answer.get_data(as_text=True))
        found: dict[tuple[Any, ...], list[str]] = {}
        if answer.json.get("rule") == "content-not-acceptable":
            for one in answer.json["errors"]:
                at = tuple(int(step) if step.isdigit() else step for step in one["field"].split("."))
                found.setdefault(at, []).append(one["reason"])
        return found


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    clock = StoppedClock(shanghai("2021-01-04 09:00"))
    with Opened(tmp_path_factory.mktemp("doors"), clock, *SUITE.values()) as opened:
        suite = Doors(opened, clock)
        suite.people()
        yield suite


def leaves(schema: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], "fields.Field[Any]"]]:
    """Every field that holds a plain value, with the path to it; of a list its first item."""
    for name, made in schema._declared_fields.items():
        place, inner = (*at, made.data_key or name), made
        while isinstance(inner, fields.List):
            place, inner = (*place, 0), inner.inner
        if isinstance(inner, fields.Nested):
            yield from leaves(inner.schema, place)
        else:
            yield place, inner


def put(body: Any, schema: Any, at: tuple[Any, ...], value: Any) -> None:
    """Put this value there; what it lies in gets what else it needs."""
    for n, step in enumerate(at[:-1]):
        if isinstance(step, int):
            body = body[step]
            continue
        made = next(one for name, one in schema._declared_fields.items() if (one.data_key or name) == step)
        inner = made
        while isinstance(inner, fields.List):
            inner = inner.inner
        schema = inner.schema if isinstance(inner, fields.Nested) else None
        empty = None if schema is None else a_body(schema)
        if not body.get(step):
            body[step] = [empty] if isinstance(at[n + 1], int) else empty
        body = body[step]
    body[at[-1]] = value


FIELDS = {name: list(leaves(command.body())) for name, command in sorted(OPERATIONS.items())}


def body_of(name: str, values: Mapping[tuple[Any, ...], Any]) -> Any:
    """A body with these values in these places, and what else it needs."""
    schema = OPERATIONS[name].body()
    body = a_body(schema)
    if name == "assign_task":
        body["target"] = dict(TARGET)
    for at, value in values.items():
        put(body, schema, at, value)
    return body


def test_every_field_is_of_a_kind_that_has_a_rule() -> None:
    kinds = (Text, Choice, Day, Moment, Quantity, Whole, Flag, Id)
    assert [
        (name, at) for name, places in FIELDS.items() for at, made in places if not isinstance(made, kinds)
    ] == []


@pytest.mark.parametrize("name", [name for name, found in FIELDS.items() if found])
def test_every_field_of_every_command_takes_or_refuses_a_value_by_the_rule_of_its_kind(
    suite: Doors, name: str
) -> None:
    every = {
        kind: [at for at, made in FIELDS[name] if isinstance(made, kind)]
        for kind in (Text, Day, Moment, Quantity, Whole, Flag, Id)
    }

    def same(kind: Any, value: Any, reason: str | None) -> None:
        """Each field of this kind that holds the value is refused for this reason, or, without one, is taken."""
        if every[kind]:
            found = suite.reasons(name, body_of(name, dict.fromkeys(every[kind], value)))
            assert {at: found.get(at, []) for at in every[kind]} == dict.fromkeys(
                every[kind], [] if reason is None else [reason]
            ), value

    def refused(kind: Any, value: Any) -> None:
        if every[kind]:
            found = suite.reasons(name, body_of(name, dict.fromkeys(every[kind], value)))
            assert [at for at in every[kind] if not found.get(at)] == [], value

    for value in NO_TYPES:
        suite.reasons(name, body_of(name, {at: value for at, _ in FIELDS[name]}))
    for text in REFUSED:
        same(Text, text, zh(fault(text)))
    for text in UNSEEN:
        same(Text, text, BLANK.zh)
    for text in ("甲", *TAKEN):
        same(Text, text, None)
    refused(Text, "甲" * 10_001)
    found = suite.reasons(name, body_of(name, dict.fromkeys(every[Text], "一\n二")))
    assert {at: bool(found.get(at)) for at, made in FIELDS[name] if isinstance(made, Text)} == {
        at: not made._lines for at, made in FIELDS[name] if isinstance(made, Text)
    }
    dues = [at for at, made in FIELDS[name] if isinstance(made, DueDay)]
    for kind, clock in ((Day, ""), (Moment, "T00:00:00+08:00")):
        for day in FAR:
            reason = zh(outside_the_years(date.fromisoformat(day)))
            found = suite.reasons(name, body_of(name, dict.fromkeys(every[kind], day + clock)))
            without_end = dues if day >= "3000" else []
            assert found == {at: [reason] for at in every[kind] if at not in without_end}
        for no_day in NO_DAYS:
            refused(kind, no_day + clock)
        same(kind, "2999-12-31" + clock, None)
        same(kind, "1900-01-02" + clock, None)
    for number in (3, 3.0):
        same(Quantity, number, None)
        same(Whole, number, None)
    for number in (-1, 10**13, 0.0000001, 1e300, "3", "３"):
        refused(Quantity, number)
    for number in (-1, 2**60, 3.5, "3"):
        refused(Whole, number)
    for word in ("true", "是", 1, 0, "1"):
        refused(Flag, word)
    for id_ in ("1", f"{NOBODY} ", str(NOBODY).replace("-", ""), str(NOBODY).replace("0", "０")):
        refused(Id, id_)


def test_there_are_dates_until_which_something_is_to_be_done() -> None:
    found = [
        (name, at[-1]) for name, places in FIELDS.items() for at, made in places if isinstance(made, DueDay)
    ]
    assert found == [
        ("assign_task", "due_on"),
        ("issue_round", "due_on"),
        ("new_instruction", "due_on"),
        ("request_extension", "new_due_on"),
    ]


# -- the same value in a body, in a file, and on the command line -------------------------------------------------

COLUMNS = {
    "number": "序号",
    "category": "类别",
    "title": "工作任务",
    "metric": "量化目标",
    "due_text": "时限原文",
    "remark": "备注",
}
ROW = {
    "序号": "1",
    "类别": "项目",
    "工作任务": "建成三个项目",
    "牵头单位": "旗fgw",
    "完成时限": "2021-06-30",
    "时限原文": "6月底前",
    "量化目标": "建成项目",
    "目标值": "3",
    "计量单位": "个",
    "备注": "无",
}


def a_file(**cells: str) -> bytes:
    row = {**ROW, **cells}
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, row)
    writer.writeheader()
    writer.writerow(row)
    return out.getvalue().encode()


def from_file(suite: Doors, data: bytes, **form: str) -> Any:
    caller = suite.client("assignment", "office/head")
    return caller._client.post(
        "/api/v1/task-lists/import",
        data={
            "file": (io.BytesIO(data), "清单.csv"),
            "title": "清单",
            "dated": "2021-01-04",
            "dry_run": "true",
            **form,
        },
        headers={
            "Authorization": f"Bearer {caller._token}",
            "Idempotency-Key": f"file-{next(_keys)}",
            "Accept-Language": "zh",
        },
    )


_keys = iter(range(10**6))


def refused_in_file(suite: Doors, **cells: str) -> list[str]:
    answer = from_file(suite, a_file(**cells))
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return [one["reason"] for one in answer.json["rejected"]]


@pytest.mark.parametrize("field", sorted(COLUMNS))
def test_a_cell_takes_the_texts_that_a_body_takes(suite: Doors, field: str) -> None:
    place = ("target", "metric") if field == "metric" else (field,)
    for text in [*REFUSED, *TAKEN]:
        in_body = suite.reasons("assign_task", body_of("assign_task", {place: text})).get(place, [])
        assert refused_in_file(suite, **{COLUMNS[field]: text}) == in_body, text
    empty = refused_in_file(suite, **{COLUMNS[field]: ""})
    for text in UNSEEN:
        assert suite.reasons("assign_task", body_of("assign_task", {place: text})) == {place: [BLANK.zh]}
        assert refused_in_file(suite, **{COLUMNS[field]: text}) == empty, text


DUE_DAYS = ["9999-12-31", "2999-12-31", "2101-01-03", "2100-12-31", "2021-02-30", "2021-06-30", "1899-12-31"]


@pytest.mark.parametrize("day", DUE_DAYS)
def test_a_due_date_is_taken_or_refused_alike(suite: Doors, tmp_path: Path, day: str) -> None:
    task_list = suite.do("office/head", "assignment:task-lists", title=f"清单{day}", dated="2021-01-04")
    body = {"number": "1", "title": "任务", "lead_unit": "fgw", "target": TARGET, "due_on": day}
    caller = suite.client("assignment", "office/head")
    caller.language = "zh"
    answer = caller.post(f"/api/v1/task-lists/{task_list}/tasks", body)
    in_file = refused_in_file(suite, 完成时限=day)
    line = again("due", "round_answer", "2021-01-04", "--own-date", day, DUBAN_DATA=str(tmp_path))
    question = f"/api/v1/due?rule=round_answer&start=2021-01-04&own_date={day}"
    query = suite.client("supervision", "inspect/head")
    query.language = "zh"
    asked = query.get(question)
    taken = day in ("2100-12-31", "2021-06-30")
    assert (answer.status_code == 201, not in_file, line.exit_code == 0, asked.status_code == 200) == (
        taken,
    ) * 4
    if day >= "2101":
        reason = NoDateInPeriod(text=day).text("zh")
        assert [answer.json["rule"], asked.json["rule"]] == ["no-date-in-period"] * 2
        assert answer.json["detail"] == asked.json["detail"] == reason
        assert in_file == [reason]
        assert reason in line.output


@pytest.mark.parametrize("day", FAR)
def test_a_day_too_far_away_is_refused_alike(suite: Doors, tmp_path: Path, day: str) -> None:
    far = zh(outside_the_years(date.fromisoformat(day)))
    assert suite.reasons("open_task_list", {"title": "清单", "dated": day}) == {("dated",): [far]}
    form = from_file(suite, a_file(), dated=day)
    assert (form.status_code, [one["reason"] for one in form.json["errors"]]) == (422, [far])
    (tmp_path / "清单.csv").write_bytes(a_file())
    data = ("--data", str(tmp_path / "data"))
    for line in (
        again("import", str(tmp_path / "清单.csv"), "--dated", day, *data),
        again("due", "contact", day, *data),
        again("audit", "diff", day, "2021-01-04", *data),
        again("audit", "as-of", "/api/v1/tasks", "--recorded", f"{day}T00:00", *data),
    ):
        assert (line.exit_code, far in line.output) == (2, True), line.output
    for question in (
        "/api/v1/due?rule=contact&start=",
        "/api/v1/due?rule=contact&start=2021-01-04&own_date=",
    ):
        asked = suite.client("supervision", "inspect/head").get(question + day)
        assert asked.status_code == 422


@pytest.mark.parametrize("text", [*REFUSED, *UNSEEN, *TAKEN])
def test_a_title_and_a_name_are_taken_or_refused_alike(suite: Doors, tmp_path: Path, text: str) -> None:
    reason = fault(text)
    expected = [] if reason is None else [reason.zh]
    in_body = suite.reasons("open_task_list", {"title": text, "dated": "2021-01-04"})
    assert in_body.get(("title",), []) == expected
    form = from_file(suite, a_file(), title=text)
    assert [one["reason"] for one in form.json.get("errors", [])] == expected
    (tmp_path / "清单.csv").write_bytes(a_file())
    data = ("--data", str(tmp_path / "data"))
    again("units", "import", str(_units(tmp_path, "旗新局")), *data)
    for line in (
        again(
            "import", str(tmp_path / "清单.csv"), "--title", text, "--dry-run", "--dated", "2021-01-04", *data
        ),
        again("token", "--post", text, "--unit", "x", "--role", "officer", *data),
        again("due", text, "2021-01-04", *data),
        again("audit", "why", text, *data),
    ):
        assert all(one in line.output for one in expected), line.output
        assert (line.exit_code == 2) == bool(expected) or line.exit_code == 1, line.output
    if reason is not BLANK:
        in_body = suite.reasons("register_unit", {"id": "x1", "name": text, "kind": "town"})
        listed = again("units", "import", str(_units(tmp_path, text)), *data)
        assert in_body.get(("name",), []) == expected
        assert (listed.exit_code == 0) == (reason is None), listed.output
        assert all(one in listed.output for one in expected)


def _units(folder: Path, name: str) -> Path:
    file = folder / "units.csv"
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["id", "name", "kind"], ["new-unit", name, "department"]])
    file.write_text(out.getvalue(), "utf-8")
    return file


# -- what an older log may hold -----------------------------------------------------------------------------------


def test_a_clock_on_a_date_without_end_runs_and_is_extended_and_explained(
    suite: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files used to bring 9999-12-31 as a due date."""
    with monkeypatch.context() as before:
        before.setattr(decisions, "check_has_an_end", lambda day, field: None)
        task_list = suite.do("office/head", "assignment:task-lists", title="没有尽头", dated="2021-01-04")
        task = suite.task(task_list, "1", due_on="9999-12-30")
        suite.do("fgw/head", f"assignment:tasks/{task}/accept")
        asked = {"new_due_on": "9999-12-31", "reason": "长期坚持"}
        suite.do("fgw/head", f"assignment:tasks/{task}/request-extension", **asked)
        suite.do("gov/vice-leader", f"assignment:tasks/{task}/grant-extension")
        suite.do("gov/vice-leader", f"assignment:tasks/{task}/suspend", reason="等待")
        suite.at("2021-01-11 09:00")
        suite.do("gov/vice-leader", f"assignment:tasks/{task}/resume")
    suite.at("2021-02-01 09:00")
    for service in SUITE:
        assert suite.opened[service].parked() == []
    case = stable_id("case", "task", task)
    inspect = suite.client("supervision", "inspect/head")
    (clock,) = inspect.get(f"/api/v1/clocks?case_id={case}&clock=task_due").json["items"]
    assert (clock["due_on"], clock["state"]) == ("9999-12-31", "open")
    explained = inspect.get(f"/api/v1/cases/{case}/clocks/task_due/1/explanation")
    assert explained.status_code == 200
    assert explained.json["days"][-1]["date"] == "2100-12-31"
    board = suite.client("assignment", "office/head").get(f"/api/v1/tasks/{task}")
    assert board.json["due_on"] == "9999-12-31"
    assert suite.opened.rebuild_and_compare("supervision") == []


# -- addresses and the places of a log ----------------------------------------------------------------------------


def test_a_part_of_an_address_is_a_text_too(suite: Doors) -> None:
    for text in [*REFUSED, *UNSEEN]:
        for path in (f"units/{quote(text)}", f"posts/fgw/{quote(text)}"):
            answer = suite.client("assignment", "office/head").get(f"/api/v1/{path}")
            assert (answer.status_code, answer.json["rule"]) == (404, "no-such-page")
        answer = suite.client("supervision", "inspect/head").get(f"/api/v1/cases?number={quote(text)}")
        assert (answer.status_code, answer.json["rule"]) == (422, "content-not-acceptable")


def test_a_number_too_large_is_refused_on_the_command_line(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path))
    for line in (
        ("audit", "prove", f"assignment/{NOBODY}/{10**30}", *data),
        ("audit", "prove-consistency", "--service", "assignment", str(10**30), *data),
        ("relay", "republish", "--service", "assignment", "--from", str(10**30)),
        ("serve", "--port", "70000", *data),
        ("token", "--post", "fgw/head", "--unit", "fgw", "--role", "officer", "--hours", str(10**9), *data),
    ):
        assert again(*line).exit_code in (1, 2), line
