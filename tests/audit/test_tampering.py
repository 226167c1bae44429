"""Whoever changes, removes, adds or exchanges stored events is found, at the first bad position (A1)."""

import json
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.audit import merkle, seal
from shared.audit.places import folder_of
from shared.audit.verification import Report
from tests.audit.sealed import SERVICE, Events, Sealed, open_sealed

CHECKPOINTS = (90, 256, 300, 511, 520)
TAMPERINGS = 540
SEED = 20210101
Row = tuple[int, str, int, str, bytes]
Tamper = Callable[[sqlite3.Connection, random.Random, list[Row]], None]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed log of 520 events, with five checkpoints, and its copy outside."""
    data = tmp_path_factory.mktemp("original") / "data"
    sealed = open_sealed(data, create=True)
    events = Events(SEED, 40)
    for before, size in zip((0, *CHECKPOINTS), CHECKPOINTS, strict=False):
        sealed.write(events.some(size - before))
        sealed.seal()
    assert [one.size for one in sealed.tree.checkpoints()] == list(CHECKPOINTS)
    sealed.close()
    with closing(sqlite3.connect(data / SERVICE / "events.sqlite")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return data


def rows_of(connection: sqlite3.Connection) -> list[Row]:
    return connection.execute("SELECT rowid, * FROM stored_events ORDER BY rowid").fetchall()


# --- what one can do to a log --------------------------------------------------------------------------------


def update(connection: sqlite3.Connection, chance: random.Random, rows: list[Row]) -> None:
    position, aggregate, version, topic, state = chance.choice(rows)
    flipped = bytearray(state)
    flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
    column, value = chance.choice(
        [
            ("state", bytes(flipped)),
            ("state", state.decode()),
            ("state", state + b" "),
            ("state", None),
            ("state", b""),
            ("topic", topic + "x"),
            ("topic", topic.encode()),
            ("topic", None),
            ("originator_version", version + 1000),
            ("originator_version", -version),
            ("originator_version", "one"),
            ("originator_id", UUID(int=chance.getrandbits(128)).hex),
            ("originator_id", aggregate.upper() if aggregate.upper() != aggregate else "?"),
            ("originator_id", aggregate + " "),
            ("originator_id", None),
        ]
    )
    connection.execute(f"UPDATE stored_events SET {column}=? WHERE rowid=?", (value, position))


def delete(connection: sqlite3.Connection, chance: random.Random, rows: list[Row]) -> None:
    start = chance.randrange(len(rows) - 1)
    end = min(start + chance.choice([1, 1, 1, 2, 7]), len(rows) - 1)
    connection.execute(
        "DELETE FROM stored_events WHERE rowid BETWEEN ? AND ?", (rows[start][0], rows[end - 1][0])
    )


def insert(connection: sqlite3.Connection, chance: random.Random, rows: list[Row]) -> None:
    at = chance.choice([-5, 0, chance.randrange(1, len(rows)), chance.randrange(1, len(rows))])
    if at > 0:  # make room
        connection.execute("UPDATE stored_events SET rowid=-1000000-rowid WHERE rowid>=?", (at,))
        connection.execute("UPDATE stored_events SET rowid=-1000000-rowid+1 WHERE rowid<-1000000")
    _, _, _, topic, state = chance.choice(rows)
    forged = (at, UUID(int=chance.getrandbits(128)).hex, 1, topic, state)
    connection.execute(
        "INSERT INTO stored_events (rowid, originator_id, originator_version, topic, state) VALUES (?,?,?,?,?)",
        forged,
    )


def swap(connection: sqlite3.Connection, chance: random.Random, rows: list[Row]) -> None:
    one, two = chance.sample(rows, 2)
    if chance.random() < 0.5:  # the whole events
        connection.execute("UPDATE stored_events SET rowid=-1000000 WHERE rowid=?", (one[0],))
        connection.execute("UPDATE stored_events SET rowid=? WHERE rowid=?", (one[0], two[0]))
        connection.execute("UPDATE stored_events SET rowid=? WHERE rowid=-1000000", (two[0],))
    else:  # only what they say
        for place, content in ((one, two), (two, one)):
            connection.execute(
                "UPDATE stored_events SET topic=?, state=? WHERE rowid=?", (content[3], content[4], place[0])
            )


def truncate(connection: sqlite3.Connection, chance: random.Random, rows: list[Row]) -> None:
    connection.execute("DELETE FROM stored_events WHERE rowid>?", (chance.randrange(len(rows)),))


TAMPERS: tuple[Tamper, ...] = (update, delete, insert, swap, truncate)


# --- what must be said of it ---------------------------------------------------------------------------------


@dataclass
class Place:
    """The first place where a log is not what it was."""

    index: int
    position: int
    aggregate: str | None
    """None: nobody can know it from what is left."""


def first_bad_place(before: list[Row], after: list[Row]) -> Place:
    index = next(
        (at for at, (one, two) in enumerate(zip(before, after, strict=False)) if one[1:] != two[1:]),
        min(len(before), len(after)),
    )
    gone = Counter(row[1:] for row in before) - Counter(row[1:] for row in after)
    if len(after) < len(before) and not Counter(row[1:] for row in after) - Counter(
        row[1:] for row in before
    ):
        removed = before[index]
        later = any(row[1] == removed[1] and row[2] > removed[2] for row in after)
        assert gone
        return Place(index, removed[0], str(UUID(removed[1])) if later else None)
    there = after[index]
    try:
        named = str(UUID(there[1])) if there[1] == UUID(there[1]).hex else None
    except (ValueError, TypeError, AttributeError):
        named = None
    return Place(index, there[0], named)


def copied(original: Path, folder: Path) -> Path:
    shutil.copytree(original, folder / "data", dirs_exist_ok=True)
    return folder / "data"


def tampered(data: Path, tamper: Tamper, chance: random.Random) -> Place | None:
    """Tamper with the rows; the first bad place, or None if it happened to change nothing."""
    with closing(sqlite3.connect(data / SERVICE / "events.sqlite")) as connection:
        before = rows_of(connection)
        tamper(connection, chance, before)
        connection.commit()
        after = rows_of(connection)
    return (
        None if [row[1:] for row in before] == [row[1:] for row in after] else first_bad_place(before, after)
    )


def forget_the_tree(data: Path) -> None:
    """What an administrator of the database does next: the tree, checkpoints and keys are made anew."""
    with closing(sqlite3.connect(data / SERVICE / "events.sqlite")) as connection:
        connection.executescript(
            "DELETE FROM seal_tiles; DELETE FROM seal_checkpoints; DELETE FROM seal_keys; DELETE FROM seal_deliveries;"
            "UPDATE seal_mark SET size=0, position=0;"
        )


def reseal(sealed: Sealed) -> bool:
    """Seal a log that was tampered with, to the end and with checkpoints; False if it cannot be done."""
    try:
        seal.catch_up(sealed.tree)
    except merkle.NOT_AN_EVENT:
        return False
    seal.sign(sealed.config, SERVICE, sealed.tree, sealed.clock)
    return True


def check(report: Report, place: Place, told: Any) -> None:
    first = report.first
    assert not report.holds, told
    assert first is not None, told
    assert (first.index, first.position) == (place.index, place.position), (told, first)
    if place.aggregate is not None and first.kind == "removed":  # of several that are gone, all are named
        assert place.aggregate in {one.aggregate for one in report.findings if one.kind == "versions"}, told
        assert first.aggregate is not None
    elif place.aggregate is not None:
        assert first.aggregate == place.aggregate, (told, first)


@pytest.fixture(scope="module")
def seen() -> Iterator[Counter[str]]:
    counted: Counter[str] = Counter()
    yield counted
    print(f"tamperings, each named at its first bad position: {dict(counted)}")


@pytest.mark.parametrize("part", range(6))
def test_every_tampering_is_named_at_the_first_bad_position(
    original: Path, tmp_path: Path, seen: Counter[str], part: int
) -> None:
    chance = random.Random(SEED + part)
    done = 0
    while done < TAMPERINGS // 6:
        tamper = TAMPERS[done % len(TAMPERS)]
        mode = ("as it is", "recomputed, copy outside", "recomputed, the key known")[done % 3]
        data = copied(original, tmp_path)
        place = tampered(data, tamper, chance)
        if place is None:
            continue
        told = (part, done, tamper.__name__, mode, place)
        outside = None
        if mode != "as it is":
            shutil.copytree(folder_of_copy(data), tmp_path / "outside", dirs_exist_ok=True)
            forget_the_tree(data)
            if mode == "recomputed, copy outside":
                (data / "seal.key").unlink()  # they have a key of their own
        sealed = open_sealed(data)
        if mode != "as it is":
            outside = type(sealed.outside)(tmp_path / "outside")
            shutil.rmtree(folder_of_copy(data))
            reseal(sealed)
        check(sealed.verify(outside), place, told)
        sealed.close()
        shutil.rmtree(data)
        shutil.rmtree(tmp_path / "outside", ignore_errors=True)
        seen[f"{tamper.__name__}, {mode}"] += 1
        done += 1


def folder_of_copy(data: Path) -> Path:
    return data / "checkpoints" / SERVICE


@pytest.mark.parametrize("tamper", TAMPERS)
def test_with_a_bare_checkpoint_the_last_one_that_holds_is_named(
    original: Path, tmp_path: Path, tamper: Tamper
) -> None:
    """The tree is recomputed and signed anew; what was kept is five notes on paper."""
    chance = random.Random(f"{SEED} {tamper.__name__}")
    for turn in range(6):
        data = copied(original, tmp_path / str(turn))
        place = tampered(data, tamper, chance)
        if place is None:
            continue
        sealed = open_sealed(data)
        kept = sealed.outside.notes()
        first_key = sealed.outside.first_key()
        forget_the_tree(data)
        (data / "seal.key").unlink()  # signed anew by a key of their own
        reseal(sealed)
        report = sealed.verify(others=kept, first_key=first_key)
        holds = max([size for size in CHECKPOINTS if size <= place.index], default=0)
        assert report.proven == holds
        assert not report.holds
        first = report.first
        assert first is not None
        assert holds <= first.index <= place.index
        assert "stranger" in {one.kind for one in report.findings} or not sealed.tree.checkpoints()
        if {one.kind for one in report.findings} <= {"root", "stranger", "checkpoint_missing"}:
            assert first.index == holds
        sealed.close()


def rows(data: Path) -> list[Row]:
    with closing(sqlite3.connect(data / SERVICE / "events.sqlite")) as connection:
        return rows_of(connection)


# --- the tree itself -----------------------------------------------------------------------------------------


def test_an_untouched_log_holds(original: Path, tmp_path: Path) -> None:
    sealed = open_sealed(copied(original, tmp_path))
    for outside in (None, sealed.outside):
        report = sealed.verify(outside)
        assert report.holds, report.findings
        assert (report.events, report.sealed, report.proven, report.checkpoints) == (520, 520, 520, 5)
    sealed.close()


def test_events_after_the_sealed_size_are_no_finding(original: Path, tmp_path: Path) -> None:
    sealed = open_sealed(copied(original, tmp_path))
    events = Events(SEED, 40)
    events.some(520)
    sealed.write(events.some(13))
    report = sealed.verify(sealed.outside)
    assert report.holds, report.findings
    assert (report.events, report.sealed) == (533, 520)
    sealed.close()


def sql(data: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(data / SERVICE / "events.sqlite")) as connection:
        connection.execute(statement, values)
        connection.commit()


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE seal_tiles SET hashes=zeroblob(8192) WHERE level=0 AND idx=1", "tree"),
        ("UPDATE seal_tiles SET hashes=zeroblob(64) WHERE level=1", "tree"),
        ("DELETE FROM seal_tiles WHERE level=0 AND idx=0", "tree"),
        ("DELETE FROM seal_tiles WHERE level=1", "tree"),
        ("UPDATE seal_mark SET size=500", "mark"),
        ("UPDATE seal_mark SET size=1600", "tree"),
        ("UPDATE seal_mark SET position=519", "mark"),
        ("DELETE FROM seal_checkpoints WHERE id=2", "checkpoint_missing"),
        (
            "UPDATE seal_checkpoints SET note=replace(note, 'time 2021', 'time 2022') WHERE id=2",
            "bad_signature",
        ),
        ("UPDATE seal_checkpoints SET note='' WHERE id=2", "unreadable"),
    ],
)
def test_a_change_of_the_tree_or_the_checkpoints_is_named(
    original: Path, tmp_path: Path, statement: str, kind: str
) -> None:
    data = copied(original, tmp_path)
    sql(data, statement)
    sealed = open_sealed(data)
    assert kind in {one.kind for one in sealed.verify().findings}
    assert not sealed.verify(sealed.outside).holds
    sealed.close()


def test_a_checkpoint_removed_from_the_database_is_missed_by_the_copy_outside(
    original: Path, tmp_path: Path
) -> None:
    data = copied(original, tmp_path)
    sql(data, "DELETE FROM seal_checkpoints WHERE id=5")  # the last one: no gap shows it
    sealed = open_sealed(data)
    assert sealed.verify().holds
    [missing] = sealed.verify(sealed.outside).findings
    assert missing.kind == "checkpoint_missing"
    assert "000000005-520.note" in missing.text("zh")
    sealed.close()


def test_nothing_is_signed_over_a_tree_that_was_changed(original: Path, tmp_path: Path) -> None:
    data = copied(original, tmp_path)
    sql(data, "UPDATE seal_tiles SET hashes=zeroblob(8192) WHERE level=0 AND idx=0")
    sql(data, "UPDATE seal_tiles SET hashes=zeroblob(64) WHERE level=1")
    sealed = open_sealed(data)
    with pytest.raises(seal.TreeWasChanged):
        seal.sign(sealed.config, SERVICE, sealed.tree, sealed.clock)
    sealed.close()


def test_a_finding_reads_as_a_sentence_in_both_languages(original: Path, tmp_path: Path) -> None:
    data = copied(original, tmp_path)
    sql(data, "UPDATE stored_events SET state=? WHERE rowid=321", b"{}")
    sealed = open_sealed(data)
    first = sealed.verify().first
    assert first is not None
    assert first.text("zh").startswith("这条事件被改动（位置 321，第 320 叶，聚合 ")
    assert first.text("en").startswith("this event was changed (position 321, leaf 320, aggregate ")
    assert json.loads(json.dumps(sealed.verify().as_json()))["findings"][0]["position"] == 321
    sealed.close()


def test_the_folder_of_a_service_is_its_own(original: Path, tmp_path: Path) -> None:
    sealed = open_sealed(copied(original, tmp_path))
    assert folder_of(sealed.config, SERVICE).name == SERVICE
    sealed.close()
