"""Statements independent of the driver."""

from collections.abc import Callable, Sequence
from typing import Any

Execute = Callable[[str, Sequence[Any]], Sequence[Sequence[Any]]]
"""Runs one SQL statement (``?`` placeholders) in the current transaction and returns its rows.

On PostgreSQL statements may be pipelined: rows arrive, and errors are raised, when rows are read. A write whose error
must be seen says RETURNING. Read rows after the last statement: the pipeline is then synchronised once."""
