"""What the assignment service decides: units and posts, directives, task lists and tasks (measures 6, 7 and 8)."""

from services.assignment.domain.directives import Directive
from services.assignment.domain.lists import TaskList
from services.assignment.domain.task import Task
from services.assignment.domain.units import Post, Unit

__all__ = ["Directive", "Post", "Task", "TaskList", "Unit"]
