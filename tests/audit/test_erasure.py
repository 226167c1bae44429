"""A person is erased: gone from every view, answer, export, notice, mail and backup; no byte of a log is changed."""

import json
from collections.abc import Iterator, Sequence
from email import message_from_bytes, policy
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID
from zipfile import ZipFile

import pytest
from click.testing import CliRunner

from services.assignment.api.units import SEE_HOLDERS
from services.audit.past import Cut
from services.audit.questions import Questions
from services.cli.backup import back_up, restore
from services.cli.main import main
from services.enterprise.domain.credit_code import check_digit
from services.suite import SUITE
from shared.audit import export, tree
from shared.audit.evidence import evidence_of
from shared.audit.seal import origin_of, seal_now
from shared.audit.verification import verify
from shared.domain.clock import SteppedClock
from shared.domain.roles import Role
from shared.events.audit import PersonErased
from shared.events.enterprise import EnterpriseRegistered
from shared.log.recorder import LeafRow
from shared.personal_data.encryption import NOT_HERE
from shared.process.config import Config
from shared.testing import Opened, StoppedClock, as_id, shanghai
from shared.web.auth import Identity

NOW = shanghai("2021-03-05 09:00")
CODE, OTHER = (code + check_digit(code) for code in ("91150623MA0N00001", "91150623MA0N00002"))
CONTACT, PHONE, HOLDER, NEIGHBOUR = "欧阳明珠", "13847712345", "呼和巴特尔", "赵四"
PERSONAL = (CONTACT, PHONE, HOLDER)
POST = "fgw/head"
GROUND = "本人申请"
GONE = f"已删除 erased 2021-03-05：{GROUND}"
READERS = (
    ("government_office", "office", "office/head"),
    ("main_leader", "gov", "gov/main-leader"),
    ("supervision_office", "inspect", "inspect/head"),
    ("unit_head", "fgw", POST),
    ("enterprise", CODE, "legal-person"),
    ("operator", "office", "office/operator"),
    ("auditor", "audit", "audit/auditor"),
)


class Town:
    """Four services in which an enterprise with a contact has blown the whistle, and a post has a holder."""

    def __init__(self, folder: Path, opened: Opened, clock: StoppedClock) -> None:
        self.folder, self.opened, self.clock = folder, opened, clock
        self.office = opened.client("assignment", "government_office", "office", "office/head")
        for unit, kind in (
            ("gov", "government"),
            ("office", "office"),
            ("inspect", "supervision"),
            ("fgw", "department"),
        ):
            as_id(self.office.post("/api/v1/units", {"id": unit, "name": f"旗{unit}", "kind": kind}))
        for post, role in (
            ("gov/main-leader", "main_leader"),
            ("gov/vice", "vice_leader"),
            ("office/head", "unit_head"),
            (POST, "unit_head"),
        ):
            as_id(self.office.post("/api/v1/posts", {"id": post, "title": f"{post}岗位", "role": role}))
        portfolio = {"units": ["office", "fgw"]}
        as_id(self.office.post("/api/v1/posts/gov/vice/assign-portfolio", portfolio))
        self.appoint(HOLDER)
        opened.settle()
        self.register(CODE, CONTACT, PHONE)
        self.register(OTHER, NEIGHBOUR, "13900000000")
        self.whistle = as_id(
            self.owner.post(
                "/api/v1/whistles", {"category": "用地", "title": "手续迟迟未办", "text": "已等三月"}
            )
        )
        opened.settle()

    def appoint(self, holder: str) -> None:
        body = {"holder": holder, "since": "2021-01-04"}
        as_id(self.office.post(f"/api/v1/posts/{POST}/appoint-holder", body))

    def register(self, code: str, name: str, phone: str) -> None:
        body = {"credit_code": code, "name": f"公司{code[-2:]}", "contact_name": name, "contact_phone": phone}
        self.owner = self.opened.client("enterprise", "enterprise", CODE, "legal-person")
        desk = self.opened.client("enterprise", "government_office", "office", "office/head")
        as_id(desk.post("/api/v1/enterprises", body))

    def answers(self) -> str:
        """What every GET of every service answers every reader, and single entries."""
        found = []
        for service, runtime in self.opened.runtimes.items():
            rules = [
                rule.rule
                for rule in runtime.web().url_map.iter_rules()
                if rule.rule.startswith("/api/v1/") and "GET" in (rule.methods or ())
            ]
            for role, unit, post in READERS:
                client = self.opened.client(service, role, unit, post)
                for rule in rules:
                    for path in self.filled(rule):
                        found.append(text_of(client.get(path).get_data()))
        assert len(found) > 200
        return "\n".join(found)

    def filled(self, rule: str) -> Iterator[str]:
        """The rule with what there is in place of its parameters."""
        if "<" not in rule:
            yield rule
        for parameter, view, service in (
            ("<uuid:enterprise_id>", "enterprises", "enterprise"),
            ("<uuid:whistle_id>", "whistles", "enterprise"),
            ("<uuid:case_id>", "cases", "supervision"),
        ):
            if parameter in rule:
                yield from (
                    rule.replace(parameter, id_)
                    for id_ in self.opened.rows(service, view)
                    if "<" not in rule.replace(parameter, "")
                )
        if rule.endswith("/posts/<unit>/<name>"):
            yield f"/api/v1/posts/{POST}"

    def stored(self) -> bytes:
        """Every byte of every file in the data folder but the key store's: logs, read models, mails, answers."""
        return b"".join(
            path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and not path.name.startswith("keys.sqlite")
        )

    def logs(self) -> dict[str, str]:
        """The hash of all rows of each log."""
        return {
            service: hashed(runtime.app.log.leaf_rows(0, 100_000))
            for service, runtime in self.opened.runtimes.items()
        }

    def contact(self) -> tuple[Any, Any]:
        rows = self.opened.client("enterprise", "government_office", "office", "office/head").get(
            f"/api/v1/enterprises?credit_code={CODE}"
        )
        (row,) = rows.json["items"]
        return row["contact_name"], row["contact_phone"]

    def holder(self) -> Any:
        return self.office.get(f"/api/v1/posts/{POST}").json["holder"]

    def erase(self, subject: str, *more: str) -> str:
        SteppedClock(self.folder.parent / "clock").set(self.clock())
        done = CliRunner(env={"DUBAN_CLOCK": f"file:{self.folder.parent / 'clock'}"}).invoke(
            main, ["person", "erase", subject, "--ground", GROUND, "--data", str(self.folder), *more]
        )
        for runtime in self.opened.runtimes.values():
            runtime.app.personal_data.forget()  # what else takes at most CACHE_SECONDS
        return done.output if done.exit_code == 0 else f"exit {done.exit_code}: {done.output}"


def hashed(rows: Sequence[LeafRow]) -> str:
    return sha256(repr([tuple(row) for row in rows]).encode()).hexdigest()


def text_of(answer: bytes) -> str:
    """An answer as text, also what is in a spreadsheet."""
    if not answer.startswith(b"PK"):
        return answer.decode()
    with ZipFile(BytesIO(answer)) as archive:
        return "\n".join(archive.read(name).decode("utf-8", "replace") for name in archive.namelist())


def said_in(mail: Path) -> str:
    message = message_from_bytes(mail.read_bytes(), policy=policy.default)
    return f"{message}\n{message['Subject']}\n{message.get_body().get_content()}"  # type: ignore[union-attr]


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    clock = StoppedClock(NOW)
    folder = tmp_path / "data"
    with Opened(folder, clock, *SUITE.values()) as opened:
        yield Town(folder, opened, clock)


def silent(*_: object) -> None:
    pass


def test_names_and_phones_are_stored_nowhere_in_clear_and_shown_to_those_who_may_see_them(town: Town) -> None:
    assert (town.contact(), town.holder()) == ((CONTACT, PHONE), HOLDER)
    said = town.answers()
    assert all(one in said for one in PERSONAL)
    for service, runtime in town.opened.runtimes.items():
        assert town.opened.rebuild_and_compare(service) == []
        for row in runtime.app.log.select_notifications(start=None, limit=10_000):
            # What the relay sends as a record's value is this very state.
            assert not any(one.encode() in row.state for one in PERSONAL)
    assert (town.contact(), town.holder()) == ((CONTACT, PHONE), HOLDER)
    stored = town.stored()
    assert "手续迟迟未办".encode() in stored  # they are the right files
    assert not [one for one in PERSONAL if one.encode() in stored]
    assert not [one for one in PERSONAL if json.dumps(one)[1:-1].encode() in stored and not one.isascii()]
    auditor = town.opened.client("enterprise", "auditor", "audit", "audit/auditor")
    assert CONTACT not in auditor.get("/api/v1/enterprises").get_data(as_text=True)


def test_erasure_empties_every_view_answer_export_notice_mail_and_backup_and_changes_no_log(
    town: Town, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    back_up(town.opened.config, backup, town.clock, "test", silent)
    for service, runtime in town.opened.runtimes.items():
        seal_now(town.opened.config, service, runtime.app.log, town.clock)
    before = town.logs()
    sizes = {service: tree.Tree(one.app.log).position() for service, one in town.opened.runtimes.items()}

    assert town.erase(CODE, "--by", "office/head") == f"{CODE}: 已删除 erased（密钥 key 1）\n"
    assert town.erase(POST) == f"{POST}#2: 已删除 erased（密钥 key 1）\n"

    # The erasures are the only new rows; they tell who, when and why, and nothing personal.
    for service, runtime in town.opened.runtimes.items():
        rows = runtime.app.log.leaf_rows(0, 100_000)
        held = [row for row in rows if row[0] <= sizes[service].position]
        assert hashed(held) == before[service]
        assert len(rows) - len(held) == (service in ("assignment", "enterprise"))
    (fact,) = town.opened.of_kind("enterprise", PersonErased)
    assert (fact.subject, fact.ground, fact.by.post, fact.timestamp) == (CODE, GROUND, "office/head", NOW)

    town.clock.advance(days=3)
    town.opened.settle()  # the worker goes on: later notices, mails, digests
    assert (town.contact(), town.holder()) == ((GONE, GONE), GONE)
    assert not [one for one in PERSONAL if one in town.answers()]
    assert NEIGHBOUR in town.answers()  # nobody else was
    assert not [one for one in PERSONAL if one.encode() in town.stored()]
    mails = [said_in(path) for path in town.folder.rglob("*.eml")]
    assert any("手续迟迟未办" in mail for mail in mails)
    assert not [mail for mail in mails if any(one in mail for one in PERSONAL)]

    # As-of a moment before the erasure nobody is shown who was erased later.
    questions = Questions(town.opened.config, town.clock)
    desk = Identity("office/head", "office/head", "office", Role.government_office)
    answer = questions.as_of(desk, "/api/v1/enterprises", Cut(recorded=NOW))
    assert GONE in str(answer.json)
    assert CONTACT not in str(answer.json)
    assert NEIGHBOUR in str(answer.json)
    questions.close()

    # Every proof still holds, in the suite and in an export.
    logs = {service: runtime.app.log for service, runtime in town.opened.runtimes.items()}
    export.export(
        tmp_path / "export",
        town.opened.config,
        town.clock,
        logs,
        SUITE,
        export.Selection(clearance="secret"),
    )
    taken = b"".join(path.read_bytes() for path in (tmp_path / "export").rglob("*") if path.is_file())
    assert b"personal:1:1:" in taken
    assert not [one for one in PERSONAL if one.encode() in taken]
    for service, log in logs.items():
        report = verify(evidence_of(log, service, origin_of(town.opened.config, service)))
        assert not report.findings, report.findings

    # A backup from before, put back elsewhere over the same key store.
    assert not [
        one for one in PERSONAL if any(one.encode() in path.read_bytes() for path in backup.rglob("*.sqlite"))
    ]
    for settings, shown in (
        ({"keys": str(town.folder / "keys.sqlite"), "master_key": town.folder / "master.key"}, GONE),
        ({}, NOT_HERE),
    ):
        elsewhere = tmp_path / f"elsewhere{len(settings)}"
        restore(Config(data=elsewhere), backup, town.clock, silent)
        with Opened(elsewhere, town.clock, *SUITE.values(), **settings) as again:
            again.settle()
            office = again.client("enterprise", "government_office", "office", "office/head")
            rows = {row["credit_code"]: row for row in office.get("/api/v1/enterprises").json["items"]}
            assert rows[CODE]["contact_name"] == rows[CODE]["contact_phone"] == shown
            assert rows[OTHER]["contact_name"] == (NEIGHBOUR if settings else NOT_HERE)


def test_a_diff_shows_who_holds_a_post_as_the_lists_do_and_a_token_to_nobody(town: Town) -> None:
    before = town.clock()
    town.clock.advance(hours=1)
    town.appoint("继任者")
    town.opened.settle()
    questions = Questions(town.opened.config, town.clock)

    def holders(role: str) -> tuple[str, str]:
        who = Identity("x/x", "x/x", "x", Role(role))
        found = questions.diff(who, Cut(recorded=before), Cut(recorded=town.clock()))
        assert "personal:" not in json.dumps(found)
        (post,) = [one for one in found["changes"] if one["view"] == "posts"]
        holder = tuple(post["columns"]["holder"].values())
        assert f"任职人 {holder[0]} → {holder[1]}" in post["says"]
        return holder

    for role in Role:
        names = (HOLDER, "继任者") if role in SEE_HOLDERS else ("***", "***")
        assert holders(role) == names, role
    town.erase(POST)
    questions.personal_data.forget()
    assert holders("supervision_office") == (GONE, GONE)
    questions.close()


def test_erasing_twice_says_so_and_changes_nothing(town: Town) -> None:
    town.erase(CODE)
    before = town.logs()
    assert f"{CODE} 的个人信息已于 2021-03-05 删除（{GROUND}）" in town.erase(CODE)
    assert "没有 zrj/head 的个人信息密钥" in town.erase("zrj/head")
    assert town.logs() == before


def test_who_is_registered_after_an_erasure_has_a_new_key_and_the_former_stays_erased(town: Town) -> None:
    town.erase(POST)
    assert town.holder() == GONE
    town.appoint("继任者")
    town.opened.settle()
    assert town.holder() == "继任者"
    assert town.erase(POST) == f"{POST}#3: 已删除 erased（密钥 key 1）\n"
    assert town.holder() == GONE
    facts = town.opened.of_kind("assignment", PersonErased)
    assert [(fact.subject, fact.generation) for fact in facts] == [(f"{POST}#2", 1), (f"{POST}#3", 1)]
    assert f"{POST} 的个人信息" not in town.erase(POST)
    assert f"{POST}#3 的个人信息已于 2021-03-05 删除" in town.erase(POST)


def test_one_holder_of_a_post_is_erased_and_the_others_are_not(town: Town) -> None:
    then = town.clock()
    town.clock.advance(days=1)
    town.appoint("继任者")
    # As a token would have it that was made before holders were told apart.
    app: Any = town.opened["assignment"].app
    old = app.personal_data.seal(POST, "assignment.post_holder_appointed", UUID(int=7), {"holder": "前任"})[
        "holder"
    ]
    town.clock.advance(days=1)
    town.opened.settle()

    def held() -> tuple[Any, Any, Any]:
        questions = Questions(town.opened.config, town.clock)
        office = Identity("office/head", "office/head", "office", Role.government_office)
        before = questions.as_of(office, f"/api/v1/posts/{POST}", Cut(recorded=then)).json["holder"]
        questions.close()
        return app.personal_data.reveal(old, POST), before, town.holder()

    assert held() == ("前任", HOLDER, "继任者")
    gone = f"已删除 erased 2021-03-07：{GROUND}"
    assert town.erase(f"{POST}#2") == f"{POST}#2: 已删除 erased（密钥 key 1）\n"
    assert held() == ("前任", gone, "继任者")
    listed = CliRunner().invoke(main, ["person", "list", POST, "--data", str(town.folder)]).output
    assert listed.splitlines() == [
        f"{POST}#2: 2021-03-05 登记 registered（密钥 key 1），2021-03-07 已删除 erased：{GROUND}",
        f"{POST}: 2021-03-06 登记 registered（密钥 key 1）",
        f"{POST}#3: 2021-03-06 登记 registered（密钥 key 1）",
    ]
    assert len(town.erase(POST).splitlines()) == 2, "the others, one by one"
    assert held() == (gone, gone, gone)


def test_an_older_copy_of_the_key_store_is_brought_up_to_the_erasures_that_the_logs_tell(town: Town) -> None:
    keys = town.folder / "keys.sqlite"
    copy = keys.read_bytes()
    town.erase(CODE)
    keys.write_bytes(copy)
    for runtime in town.opened.runtimes.values():
        runtime.app.personal_data.close()
    assert town.contact() == (CONTACT, PHONE)
    said = CliRunner().invoke(main, ["person", "reapply", "--data", str(town.folder)]).output
    assert said == "assignment: 0\nenterprise: 1\n"
    for runtime in town.opened.runtimes.values():
        runtime.app.personal_data.close()
    assert town.contact() == (GONE, GONE)


def test_an_erasure_without_ground_is_refused(town: Town) -> None:
    done = CliRunner().invoke(main, ["person", "erase", CODE, "--ground", "  ", "--data", str(town.folder)])
    assert done.exit_code == 1
    assert "删除个人信息须写明依据" in done.output
    assert town.contact() == (CONTACT, PHONE)


def test_what_release_0_1_0_stored_in_clear_is_shown_as_it_is(town: Town) -> None:
    app: Any = town.opened["enterprise"].app
    (registered,) = [
        fact for fact in town.opened.of_kind("enterprise", EnterpriseRegistered) if fact.credit_code == CODE
    ]
    assert app.personal_data.reveal("张三", CODE) == "张三"
    # A token of another subject is a text like any other: nobody reads it under this one's name.
    assert app.personal_data.reveal(registered.contact_name, OTHER) == registered.contact_name
    assert app.personal_data.reveal(registered.contact_name, CODE) == CONTACT


def test_the_answer_that_is_kept_for_a_repeated_request_cannot_be_guessed_from(town: Town) -> None:
    body = {"holder": "某某", "since": "2021-02-01"}
    key = "repeated"
    path = f"/api/v1/posts/{POST}/appoint-holder"
    first = town.office.post(path, body, key=key)
    again = town.office.post(path, body, key=key)
    assert (first.status_code, again.headers.get("Idempotency-Replayed")) == (200, "true")
    assert town.office.post(path, {**body, "holder": "另一人"}, key=key).status_code == 422
    app = town.opened["assignment"].app
    row = app.log.answered(f"office/head|{key}")
    assert row is not None
    whole = ["office/head", "POST", path, [], body]
    guessed = sha256(json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())
    assert row.fingerprint not in (guessed.hexdigest(), "")
    assert row.fingerprint == app.personal_data.keyed(guessed.hexdigest())
