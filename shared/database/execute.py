"""How code that knows no driver runs a statement in the transaction at hand."""

from collections.abc import Callable, Sequence
from typing import Any

Execute = Callable[[str, Sequence[Any]], Sequence[Sequence[Any]]]
"""Runs one SQL statement (``?`` placeholders) in the transaction at hand; its rows, if it gives any.

What is written before new events says RETURNING: PostgreSQL gets it in a pipeline, in which rows come, and a failure is
raised, when rows are looked at. So look after all has been said: the server is then waited for once."""
