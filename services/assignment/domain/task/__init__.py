"""The task 任务: its state and steps, what it refuses, what may be decided."""

from services.assignment.domain.task.decisions import Task, TaskPlan
from services.assignment.domain.task.state import TaskState, evolve

__all__ = ["Task", "TaskPlan", "TaskState", "evolve"]
