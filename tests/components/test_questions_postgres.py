"""The auditors' questions on a real PostgreSQL: the very answers that the same log gives in files, each by itself."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from deploy.stack import Postgres
from services.audit.past import Cut
from services.audit.questions import Questions
from services.cli.backup import back_up, restore
from services.suite import SUITE
from shared.audit import export
from shared.audit.evidence import evidence_of
from shared.audit.places import Outside, folder_of
from shared.audit.seal import key_path, origin_of, seal_now
from shared.audit.verification import verify
from shared.domain.clock import system_clock
from shared.events.audit import AuditAccessed
from shared.personal_data.keystore import migrate_keys
from shared.personal_data.master import make_master
from shared.process.config import Config
from shared.process.files import put_once
from shared.testing import Opened, shanghai
from shared.web.auth import Identity
from tests.audit.story import AUDITOR, CLEARED, LISTS, Told, told

EARLY, LATER = shanghai("2021-01-06 09:00"), shanghai("2021-01-18 12:00")


def silent(*_: object) -> None:
    pass


@dataclass
class Both:
    """One story in a PostgreSQL server, and the same logs restored into files."""

    server: Postgres
    told: Told
    files: Opened
    in_files: Questions

    @property
    def asked(self) -> tuple[Questions, Questions]:
        return self.told.questions, self.in_files


@pytest.fixture(scope="module")
def both(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("both")
    for name in (*SUITE, "keys"):
        server.create_database(f"both_{name}")
    make_master(folder / "master.key")
    settings: dict[str, Any] = {
        "database": server.url("both_{service}"),
        "master_key": folder / "master.key",
    }
    config = Config(data=folder / "data", **settings)
    migrate_keys(config, system_clock)
    with told(folder / "data", **settings) as suite:
        for name, runtime in suite.opened.runtimes.items():
            seal_now(suite.opened.config, name, runtime.app.log, suite.clock)
        back_up(suite.opened.config, folder / "backup", suite.clock, "test", silent)
        where = {"keys": str(config.keys_place), "master_key": config.master_key}
        target = replace(config, data=folder / "files", database="", **where)
        restore(target, folder / "backup", suite.clock, silent)
        put_once(key_path(target), key_path(config).read_bytes())
        with Opened(target.data, suite.clock, *SUITE.values(), **where) as files:
            for runtime in files.runtimes.values():
                runtime.catch_up()
            questions = Questions(files.config, suite.clock)
            yield Both(server, suite, files, questions)
            questions.close()


PATHS = (*LISTS, "/api/v1/posts?limit=200")


def test_a_backup_of_postgresql_in_files_is_the_same_log_row_by_row(both: Both) -> None:
    for name in SUITE:
        there, here = (
            [row for row in opened[name].app.log.leaf_rows(0, 100_000) if row[3] != AuditAccessed.TOPIC]
            for opened in (both.told.opened, both.files)
        )
        assert there == here
        assert len(there) > 50


@pytest.mark.parametrize("cut", [Cut(recorded=LATER), Cut(happened=LATER)], ids=["recorded", "happened"])
def test_as_of(both: Both, cut: Cut) -> None:
    for path in PATHS:
        there, here = (one.as_of(CLEARED, path, cut) for one in both.asked)
        assert (there.status, there.body, there.not_folded) == (200, here.body, here.not_folded)
        assert len(there.body) > 100, path


SUBJECTS: tuple[Callable[[Told], str], ...] = (
    lambda suite: "naming:1/2021",
    lambda suite: f"case:{suite.case_of('5')}",
    lambda suite: "whistle:W-2021-0001",
    lambda suite: "rate:contacted@2021-01-01..2021-01-31",
)


@pytest.mark.parametrize("subject", SUBJECTS, ids=["naming", "case", "whistle", "rate"])
@pytest.mark.parametrize("who", [AUDITOR, CLEARED], ids=["auditor", "cleared"])
def test_why(both: Both, subject: Callable[[Told], str], who: Identity) -> None:
    there, here = (one.why(who, subject(both.told), "zh") for one in both.asked)
    assert there.plain() == here.plain()
    assert there.dot() == here.dot()
    assert len(there.nodes) > 3


@pytest.mark.parametrize("time", ["recorded", "happened"])
@pytest.mark.parametrize("who", [AUDITOR, CLEARED], ids=["auditor", "cleared"])
def test_diff(both: Both, time: str, who: Identity) -> None:
    cuts = [Cut(**{time: EARLY}), Cut(**{time: both.told.clock()})]
    there, here = (one.diff(who, *cuts) for one in both.asked)
    assert there == here
    assert there["changes"]
    assert there["judged_otherwise"]


def test_replay(both: Both) -> None:
    there, here = (one.replay(AUDITOR, None) for one in both.asked)
    assert (there.rows, there.differences) == (here.rows, [])
    assert here.differences == []
    assert sum(there.rows.values()) > 100
    # A row that somebody changed in the database is named.
    view = both.told.opened["assignment"].views
    with view.reading() as connection:
        table = view.table(connection, "tasks").name
    change = f'UPDATE "{table}" SET title = title || $$!$$ WHERE number = $$密1$$'
    both.server.psql(change, "both_assignment")
    try:
        (found,) = both.told.questions.replay(CLEARED, "assignment").differences
    finally:
        both.server.psql(
            f'UPDATE "{table}" SET title = rtrim(title, $$!$$) WHERE number = $$密1$$', "both_assignment"
        )
    assert (found.view, found.id) == ("tasks", str(both.told.secret))
    assert found.columns == {"title": ("不公开的事项!", "不公开的事项")}


@pytest.mark.parametrize(
    ("subject", "as_of", "equal"),
    [
        ("rate:2021-01-01..2021-01-31", LATER, True),
        ("rate:2021-01-01..2021-01-31", None, True),
        ("on-time:2021-01-01..2021-03-31", None, True),
        ("on-time:2021-01-01..2021-03-31", LATER, True),
        ("board:tasks?limit=200", None, True),
        ("naming:1/2021", None, True),
    ],
)
def test_recount(both: Both, subject: str, as_of: Any, equal: bool) -> None:
    there, here = (one.recount(AUDITOR, subject, as_of).plain() for one in both.asked)
    assert there == here
    assert (there["equal"], there["differences"]) == (equal, [])
    assert there["bytes"] > 100


def test_an_export_proves_itself_and_holds_what_one_from_files_holds(both: Both, tmp_path: Path) -> None:
    written = []
    for name, opened in (("there", both.told.opened), ("here", both.files)):
        logs = {service: runtime.app.log for service, runtime in opened.runtimes.items()}
        selection = export.Selection(clearance="internal")
        folder = tmp_path / name
        manifest = export.export(folder, opened.config, both.told.clock, logs, SUITE, selection)
        claims = manifest["services"]
        assert claims["assignment"]["without_content"]["above_clearance"] > 0
        done = subprocess.run(
            [sys.executable, "-I", "verify.py"], cwd=folder, env={}, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        events = {}
        for service, runtime in opened.runtimes.items():
            outside = Outside(folder_of(opened.config, service)) if name == "there" else None
            origin = origin_of(opened.config, service)
            report = verify(evidence_of(runtime.app.log, service, origin, outside=outside))
            assert report.holds, report.findings
            assert report.events == report.proven == claims[service]["size"]
            looks = len(opened.of_kind(service, AuditAccessed))
            assert looks > 0
            lines = (folder / service / "events.ndjson").read_text("utf-8").splitlines()
            events[service] = [line for line in lines if AuditAccessed.TOPIC not in line]
        written.append(events)
    assert written[0] == written[1]
    assert "不公开的事项" not in str(written)
