"""What a fact does to a thing is written once: for the aggregate, for its parts, for their views."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine

from shared.application.application import NoSuchThing
from shared.domain.aggregate import Aggregate, CommandContext
from shared.domain.guards import open_to, requires
from shared.domain.lifecycle import Lifecycle, Parts, replace
from shared.domain.refusal import Refusal
from shared.events.base import Fact, Message
from shared.log.codec import decode, encode
from shared.readmodels.lifecycle import HistoryView, LifecycleView
from shared.readmodels.rows import Row, Rows
from shared.readmodels.view import View
from shared.testing import an_act, folded, rows_of, shanghai

NOW = shanghai("2021-01-04 09:00")


@dataclass(frozen=True, kw_only=True)
class ShelfPutUp(Fact):
    """书架设置: events of a service that exists in this test only."""

    TOPIC = "shelf.shelf_put_up"
    name: str


@dataclass(frozen=True, kw_only=True)
class BookShelved(Fact):
    """图书上架."""

    TOPIC = "shelf.book_shelved"
    book: str


@dataclass(frozen=True, kw_only=True)
class BookDusted(Fact):
    """图书除尘."""

    TOPIC = "shelf.book_dusted"
    book: str


class BookIsClean(Refusal):
    """该书已经除尘。
    The book is clean already."""


@dataclass(frozen=True, kw_only=True)
class BookState:
    name: str
    status: str = "dusty"
    version: int
    secrecy = "public"
    concerned = ()


books = Lifecycle(BookState, begins=BookShelved)


@books.register
def _(fact: BookShelved, _: None, version: int) -> BookState:
    return BookState(name=fact.book, version=version)


@books.register
def _(fact: BookDusted, book: BookState, version: int) -> BookState:
    return replace(book, status="clean", version=version)


@dataclass(frozen=True, kw_only=True)
class ShelfState:
    name: str
    books: Mapping[str, BookState] = field(default_factory=dict)
    secrecy = "public"
    concerned = ()


evolve = Lifecycle(ShelfState, begins=ShelfPutUp, parts={"books": Parts(books, lambda fact: fact.book)})


@evolve.register
def _(fact: ShelfPutUp) -> ShelfState:
    return ShelfState(name=fact.name)


def the_book(shelf: ShelfState, act: CommandContext, book: str) -> BookState:
    if book not in shelf.books:
        raise NoSuchThing(kind="Book", id=book)
    return shelf.books[book]


def is_dusty(book: BookState, act: CommandContext) -> None:
    if book.status == "clean":
        raise BookIsClean


class Shelf(Aggregate, lifecycle=evolve):
    TOPIC = "test.shelf"
    state: ShelfState

    @requires(is_dusty, of=the_book)
    def dust(self, act: CommandContext, *, book: str) -> None:
        self.record(BookDusted, act, book=book)


class Trolley(Aggregate, lifecycle=books):
    """A book on its way records the very facts of a book on a shelf."""

    TOPIC = "test.trolley"
    state: BookState


class Shelves(LifecycleView):
    name = "shelves"
    lifecycle = evolve


class Books(LifecycleView):
    name = "books"
    lifecycle = books
    whole = "shelf"

    @classmethod
    def key(cls, fact: Any, message: Any) -> str:
        return str(fact.book)


def shelved() -> Shelf:
    shelf = Shelf.begin(ShelfPutUp, an_act(NOW), UUID(int=1), name="A")
    for book in ("one", "two"):
        shelf.record(BookShelved, an_act(NOW), book=book)
    return shelf


def test_a_part_evolves_in_the_whole_as_in_its_own_view() -> None:
    shelf = shelved()
    shelf.dust(an_act(NOW), book="one")
    events = list(shelf.collect_events())
    assert rows_of(Books, "shelf", events[1:]) == shelf.state.books
    assert {row["shelf"] for row in folded(Books, "shelf", events[1:]).values()} == {str(shelf.id)}
    assert {name: book.status for name, book in shelf.state.books.items()} == {"one": "clean", "two": "dusty"}


def test_a_view_of_the_whole_keeps_no_parts_and_follows_its_version() -> None:
    shelf = shelved()
    assert [column.name for column in Shelves.columns()] == ["name", "concerned", "secrecy", "version"]
    assert set(Shelves.handlers) == {ShelfPutUp.TOPIC, BookShelved.TOPIC, BookDusted.TOPIC}
    [kept] = rows_of(Shelves, "shelf", shelf.collect_events()).values()
    assert kept == replace(shelf.state, books={})


def test_guards_look_at_the_part_that_the_decision_is_about() -> None:
    shelf, act = shelved(), an_act(NOW)
    shelf.dust(act, book="one")
    with pytest.raises(BookIsClean):
        shelf.dust(act, book="one")
    with pytest.raises(NoSuchThing):
        shelf.dust(act, book="three")
    assert [open_to(Shelf.dust, shelf.state.books[name], act, {}) for name in ("one", "two")] == [False, True]


def test_two_aggregates_may_record_the_same_fact() -> None:
    assert Shelf.recorded_as[BookDusted.TOPIC] is Trolley.recorded_as[BookDusted.TOPIC]


@dataclass(frozen=True, kw_only=True)
class LabelState:
    """What everybody may see; its price is exact, and whether it is dear follows from that."""

    price: Decimal
    seen: int = 0

    @property
    def status(self) -> Literal["dear", "cheap"]:
        return "dear" if self.price > 1 else "cheap"


labels = Lifecycle(LabelState, begins=BookShelved)


@labels.register
def _(fact: BookShelved) -> LabelState:
    return LabelState(price=Decimal("1.50"))


@labels.register
def _(fact: BookDusted, label: LabelState) -> LabelState:
    return replace(label, price=Decimal("1E-3"), seen=label.seen + 1)


class Labels(LifecycleView):
    name = "labels"
    lifecycle = labels
    derived = ("status",)


class Labelling(HistoryView):
    name = "labelling"
    lifecycle = labels

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        return [Column("what", String, nullable=False)]

    def write(self, rows: Rows, fact: Fact, message: Message) -> None:
        rows.put(message.id, what=type(fact).__name__)


def test_a_property_is_a_column_and_follows_the_state_that_it_comes_from() -> None:
    assert [column.name for column in Labels.columns()] == ["price", "seen", "state", "version"]
    before, after = LabelState(price=Decimal("1.50")), LabelState(price=Decimal("0.001"))
    assert Labels.row_of(before) == {"price": "1.50", "seen": 0, "state": "dear"}
    assert Labels.row_of(after, before) == {"price": "0.001", "state": "cheap"}
    assert Labels.state_of({"price": "0.001", "seen": 0}) == after


def test_the_view_of_a_lifecycles_facts_has_a_handler_for_each() -> None:
    assert set(Labelling.handlers) == {BookShelved.TOPIC, BookDusted.TOPIC}


@dataclass(frozen=True, kw_only=True)
class ShelfMoved(Fact):
    """书架移位."""

    TOPIC = "shelf.shelf_moved"
    room: str


@dataclass(frozen=True, kw_only=True)
class SlotState:
    book: str
    room: str = "A"


slots = Lifecycle(SlotState, begins=BookShelved)


@slots.register
def _(fact: BookShelved) -> SlotState:
    return SlotState(book=fact.book)


@slots.register
def _(fact: ShelfMoved, slot: SlotState) -> SlotState:
    return slot if slot.book == "chained" else replace(slot, room=fact.room)


@dataclass(frozen=True, kw_only=True)
class RackState:
    slots: Mapping[str, SlotState] = field(default_factory=dict)


racks = Lifecycle(
    RackState,
    begins=ShelfPutUp,
    parts={"slots": Parts(slots, lambda fact: getattr(fact, "book", None))},
)


@racks.register
def _(fact: ShelfPutUp) -> RackState:
    return RackState()


class Rack(Aggregate, lifecycle=racks):
    TOPIC = "test.rack"
    state: RackState


class Slots(LifecycleView):
    name = "slots"
    lifecycle = slots
    whole = "rack_id"

    @classmethod
    def key(cls, fact: Any, message: Message) -> str:
        return f"{message.aggregate_id}/{fact.book}"

    def keys(self, rows: Rows, fact: Fact, message: Message) -> Sequence[str]:
        if isinstance(fact, ShelfMoved):
            return [row["id"] for row in rows.parts(str(message.aggregate_id), self.whole)]
        return super().keys(rows, fact, message)


def test_a_fact_about_each_part_changes_each_where_it_is_held_and_where_it_is_shown() -> None:
    rack = Rack.begin(ShelfPutUp, an_act(NOW), UUID(int=1), name="A")
    for book in ("one", "chained"):
        rack.record(BookShelved, an_act(NOW), book=book)
    rack.record(ShelfMoved, an_act(NOW), room="B")
    events = list(rack.collect_events())
    assert {name: slot.room for name, slot in rack.state.slots.items()} == {"one": "B", "chained": "A"}
    shown = folded(Slots, "shelf", events[1:])
    assert {row["book"]: (row["room"], row["version"]) for row in shown.values()} == {
        "one": ("B", 4),
        "chained": ("A", 3),
    }
    assert {row["rack_id"] for row in shown.values()} == {str(rack.id)}
    assert [column.name for column in Slots.columns()] == ["book", "room", "rack_id", "version"]
    assert folded(Slots, "shelf", [events[-1]]) == {}, (
        "of a part whose first fact is missing nothing is shown"
    )


class Dustings(LifecycleView):
    """Follows the books and adds what only it counts; shows none that is thin or was dusted three times."""

    name = "dustings"
    lifecycle = books

    @classmethod
    def key(cls, fact: Any, message: Message) -> str:
        return f"{message.aggregate_id}/{fact.book}"

    @classmethod
    def more_columns(cls) -> Sequence[Column[Any]]:
        return [Column("dusted", Integer, nullable=False, default=0)]

    def on_book_shelved(self, rows: Rows, fact: BookShelved, message: Message) -> None:
        if fact.book == "thin":
            rows.drop(self.key(fact, message))

    def on_book_dusted(self, rows: Rows, fact: BookDusted, message: Message) -> None:
        row = rows.get(self.key(fact, message))
        assert row is not None
        assert row["state"] == "clean", "the lifecycle's step is in the row"
        if row["dusted"] == 2:
            rows.drop(row["id"])
        else:
            rows.change(row["id"], dusted=row["dusted"] + 1)


@contextmanager
def batch_of(view: type[View]) -> Iterator[tuple[Rows, dict[str, Row | None]]]:
    """A batch over an empty table, and all its rows as it knows them."""
    table = Table(view.name, MetaData(), Column("id", String, primary_key=True), *view.columns())
    known: dict[str, Row | None] = {}
    with create_engine("sqlite://").begin() as connection:
        table.create(connection)
        yield Rows(connection, table, known, complete=True), known


def messages_of(events: Sequence[Any]) -> list[Message]:
    return [
        Message(
            "shelf",
            0,
            position,
            event.originator_id,
            event.originator_version,
            decode(event.TOPIC, encode(event)),
        )
        for position, event in enumerate(events, 1)
    ]


def used_shelves() -> list[Any]:
    """Two shelves whose books are shelved, dusted and moved, fact by fact in turn."""
    of_each = []
    for number in (1, 2):
        shelf = Rack.begin(ShelfPutUp, an_act(NOW), UUID(int=number), name="A")
        for book in ("one", "chained", "one"):
            shelf.record(BookShelved, an_act(NOW), book=book)
        for room in ("B", "C"):
            shelf.record(ShelfMoved, an_act(NOW), room=room)
            shelf.record(BookShelved, an_act(NOW), book=f"last of {room}")
        of_each.append(list(shelf.collect_events()))
    return [event for pair in zip(*of_each, strict=True) for event in pair]


def dusted_books() -> list[Any]:
    shelf = shelved()
    shelf.record(BookShelved, an_act(NOW), book="thin")
    for book in ("one", "two", "one", "one"):
        shelf.record(BookDusted, an_act(NOW), book=book)
    shelf.record(BookShelved, an_act(NOW), book="one")
    shelf.record(BookDusted, an_act(NOW), book="two")
    return list(shelf.collect_events())


@pytest.mark.parametrize(
    ("view", "events"),
    [(Slots, used_shelves()), (Books, dusted_books()), (Dustings, dusted_books()), (Labels, dusted_books())],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_facts_of_a_batch_leave_the_rows_that_they_leave_one_by_one(
    view: type[View], events: list[Any]
) -> None:
    followed = [event for event in events if event.TOPIC in view.handlers]
    for start in range(len(followed)):
        with batch_of(view) as (rows, known):
            for at, message in enumerate(messages_of(followed)):
                if at == start:
                    rows.flush()
                view().fold(rows, message)
            rows.flush()
        assert {key: row for key, row in known.items() if row} == folded(view, "shelf", followed)


def test_a_row_that_a_view_drops_or_changes_by_itself_is_what_the_view_made_it() -> None:
    shown = folded(Dustings, "shelf", dusted_books()[1:])
    assert {key.partition("/")[2]: row["dusted"] for key, row in shown.items()} == {"one": 0, "two": 2}


def test_a_message_that_fails_half_way_changes_nothing() -> None:
    class Torn(Slots):
        name = "torn"
        torn = False

        def on_shelf_moved(self, rows: Rows, fact: ShelfMoved, message: Message) -> None:
            if Torn.torn:
                raise ValueError("after the lifecycle's step")

    shelf = Rack.begin(ShelfPutUp, an_act(NOW), UUID(int=1), name="A")
    for book in ("one", "two"):
        shelf.record(BookShelved, an_act(NOW), book=book)
    for room in ("B", "C", "D"):
        shelf.record(ShelfMoved, an_act(NOW), room=room)
    one, two, *moves = messages_of(list(shelf.collect_events())[1:])
    with batch_of(Torn) as (rows, known):
        for message in (one, two, *moves):
            rows.begin()
            Torn.torn = message is moves[1]
            try:
                Torn().fold(rows, message)
            except ValueError:
                assert Torn.torn
                rows.undo()
                assert [row["room"] for row in rows.parts(str(shelf.id), "rack_id")] == ["B", "B"]
        rows.flush()
    assert [row and row["room"] for row in known.values()] == ["D", "D"]
    with batch_of(Torn) as (rows, known):
        rows.begin()
        for message in (one, two, moves[0]):
            Torn.torn = message is moves[0]
            with pytest.raises(ValueError, match="step") if Torn.torn else nullcontext():
                Torn().fold(rows, message)
        rows.undo()
        rows.flush()
    assert set(known.values()) == {None}
