"""The units that a row concerns: they may see it (domain.md §8)."""

from functools import lru_cache

from shared.readmodels.rows import Row


@lru_cache(maxsize=10_000)  # folding asks at every fact (tests/bench/project.py)
def concerned(*units: str | None) -> str:
    """The units, as a row keeps them in the column ``concerned``."""
    return "," + "".join(f"{unit}," for unit in sorted({unit for unit in units if unit}))


def concerned_too(row: Row, *units: str | None) -> str:
    """The units that the row concerns, and these."""
    return concerned(*row["concerned"].split(","), *units)
