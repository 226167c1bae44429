"""Task lists (measure 7): who leads it, which day it is dated, from which directive it comes."""

from datetime import date
from uuid import UUID

from services.assignment.domain.directives import check_not_below, check_secrecy
from shared.domain.aggregate import Aggregate, CommandContext, Creation, stable_id
from shared.events import assignment


class TaskList(Aggregate):
    """任务清单: the same title of the same day is the same list, so that a file imported again finds its list."""

    TOPIC = "assignment.task_list"
    title: str
    dated: date
    leader_post: str
    directive_id: UUID | None
    secrecy: assignment.Secrecy
    secrecy_ground: str

    @staticmethod
    def id_of(title: str, dated: date) -> UUID:
        """The aggregate that stands for this list."""
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
        """Open a list; ``source`` is its directive's secrecy. Raises SecrecyNeedsGround, SecrecyBelowItsSource."""
        check_secrecy(secrecy, secrecy_ground)
        check_not_below(secrecy, source)
        return cls.begin(
            cls.Opened,
            act,
            cls.id_of(title, dated),
            title=title,
            dated=dated,
            leader_post=leader_post,
            directive_id=directive_id,
            secrecy=secrecy,
            secrecy_ground=secrecy_ground,
        )

    class Opened(assignment.TaskListOpened, Creation):
        def apply(self, task_list: "TaskList") -> None:
            task_list.title, task_list.dated = self.title, self.dated
            task_list.leader_post, task_list.directive_id = self.leader_post, self.directive_id
            task_list.secrecy, task_list.secrecy_ground = self.secrecy, self.secrecy_ground

    @property
    def status(self) -> str:
        """A list is ``open`` as long as it has tasks to come."""
        return "open"
