"""The register of units and posts to the last event of the log that keeps them, not to what a view has received."""

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, NamedTuple, cast
from uuid import UUID

from eventsourcing.persistence import Notification

from shared.domain.units import PostState, UnitState, evolve_post, evolve_unit
from shared.log.codec import Unreadable, decode
from shared.log.recorder import LogRecorder, rows_upto
from shared.process import logs

log = logs.log("register")

TOPICS = (*evolve_unit.facts, *evolve_post.facts)
Things = Mapping[UUID, tuple[int, Any]]
"""Version and state of each unit and post, by aggregate."""

NO_LATER_FACTS = 2**63 - 1
"""A version that no event has."""


class Registered(NamedTuple):
    """Units and posts after the facts up to a position, dissolved and vacated ones too."""

    upto: int
    things: Things
    units: Mapping[str, UnitState]
    posts: Mapping[str, PostState]
    """By the ids that people gave them, in their order."""

    def official(self, post: str) -> PostState | None:
        """The post, if it is registered."""
        return self.posts.get(post)

    def takes_first_steps(self, unit: str, kind: str) -> bool:
        """Whether nobody has ever been appointed by name in the unit, which is of this kind, or no unit is."""
        offices = [one.unit for one in self.units.values() if one.kind == kind]
        return unit in (offices or [unit]) and not any(
            post.named for post in self.posts.values() if post.unit == unit
        )


class Register:
    """Folds what the log has beyond the last time, whenever somebody asks.

    ``begin``: the position up to which somebody else has folded the log, and what came of it.
    """

    def __init__(self, log: LogRecorder, begin: Callable[[], tuple[int, Things]] = lambda: (0, {})) -> None:
        self._log, self._begin = log, begin
        self._folding = Lock()
        self._known: Registered | None = None

    def now(self) -> Registered:
        """Units and posts as the log has them now."""
        with self._folding:
            end = self._log.max_notification_id() or 0
            known = self._known or _registered(*self._begin())
            if known.upto < end:
                known = self._folded(known, end)
            self._known = known
            return known

    def _folded(self, known: Registered, end: int) -> Registered:
        things = dict(known.things)
        changed = False
        for row in rows_upto(self._log, known.upto, end, TOPICS):
            thing = cast("UUID", row.originator_id)
            version, state = things.get(thing, (0, None))
            if row.originator_version > version:  # who folded before may hold more than up to that position
                things[thing] = _after(row, state)
                changed = True
        return _registered(end, things) if changed else known._replace(upto=end)


def _after(row: Notification, state: Any) -> tuple[int, Any]:
    """Version and state after a fact. One that nobody can read is left out, with all later ones of its aggregate, as a
    projector parks them and reports it.
    """
    evolve = evolve_unit if row.topic in evolve_unit.facts else evolve_post
    try:
        return row.originator_version, evolve(decode(row.topic, row.state), state, row.originator_version)
    except Unreadable as error:
        log.error("fact_left_out", position=row.id, topic=row.topic, reason=str(error))
        return NO_LATER_FACTS, state


def _registered(upto: int, things: Things) -> Registered:
    states = [state for _, state in things.values()]
    units = {one.unit: one for one in states if isinstance(one, UnitState)}
    posts = {one.post: one for one in states if isinstance(one, PostState)}
    return Registered(upto, things, dict(sorted(units.items())), dict(sorted(posts.items())))
