"""The units that a row concerns: they may see it (domain.md §8)."""

from functools import lru_cache


@lru_cache(maxsize=10_000)  # folding asks at every fact (tests/bench/project.py)
def concerned(*units: str | None) -> str:
    """The units, as a row keeps them in the column ``concerned``."""
    return "," + "".join(f"{unit}," for unit in sorted({unit for unit in units if unit}))
