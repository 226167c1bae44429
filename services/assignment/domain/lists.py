"""Task lists (measure 7): who leads it, which day it is dated, from which directive it comes."""

from dataclasses import dataclass
from datetime import date
from typing import ClassVar
from uuid import UUID

from services.assignment.domain.directives import check_not_below, check_secrecy
from shared.domain.aggregate import Aggregate, CommandContext, stable_id
from shared.domain.lifecycle import Lifecycle
from shared.domain.text import identity
from shared.events import assignment


@dataclass(frozen=True, kw_only=True)
class TaskListState:
    """任务清单: as it was opened."""

    title: str
    dated: date
    leader_post: str
    directive_id: UUID | None
    opened_by: str
    secrecy: assignment.Secrecy
    secrecy_ground: str

    status: ClassVar[str] = "open"
    """As long as it has tasks to come."""

    @property
    def concerned(self) -> tuple[str, ...]:
        """The unit that opened it; those that have a task in it see it too."""
        return (self.opened_by,)


evolve = Lifecycle(TaskListState, begins=assignment.TaskListOpened)


@evolve.register
def _(fact: assignment.TaskListOpened) -> TaskListState:
    return TaskListState(
        title=fact.title,
        dated=fact.dated,
        leader_post=fact.leader_post,
        directive_id=fact.directive_id,
        opened_by=fact.by.unit,
        secrecy=fact.secrecy,
        secrecy_ground=fact.secrecy_ground,
    )


class TaskList(Aggregate, lifecycle=evolve):
    """任务清单: the same title of the same day is the same list, so that a file imported again finds its list."""

    TOPIC = "assignment.task_list"
    state: TaskListState

    @staticmethod
    def id_of(title: str, dated: date) -> UUID:
        """The aggregate that stands for this list, however its title is spelled."""
        return stable_id("task-list", dated.isoformat(), identity(title))

    @staticmethod
    def former_id_of(title: str, dated: date) -> UUID:
        """The aggregate for this very spelling, as it was opened before spellings were compared."""
        return stable_id("task-list", dated.isoformat(), title)

    @classmethod
    def open(
        cls,
        act: CommandContext,
        *,
        title: str,
        dated: date,
        leader_post: str,
        directive_id: UUID | None,
        secrecy: assignment.Secrecy,
        secrecy_ground: str,
        source: assignment.Secrecy = "public",
    ) -> "TaskList":
        """Open a list; ``source`` is its directive's secrecy."""
        check_secrecy(secrecy, secrecy_ground)
        check_not_below(secrecy, source)
        return cls.begin(
            assignment.TaskListOpened,
            act,
            id=cls.id_of(title, dated),
            title=title,
            dated=dated,
            leader_post=leader_post,
            directive_id=directive_id,
            secrecy=secrecy,
            secrecy_ground=secrecy_ground,
        )
