"""A table is published only if its parts add up to its total (勾稽)."""

from collections.abc import Iterable, Mapping

from shared.domain.refusal import Refusal


class PartsDoNotAddUp(Refusal):
    """{table} 不能公布：“{figure}”分项之和为 {parts}，合计为 {total}。
    {table} is not published: the parts of "{figure}" make {parts}, the total says {total}."""

    status = 409


def must_add_up(table: str, total: Mapping[str, int], parts: Iterable[Mapping[str, int]]) -> None:
    """Every figure of ``total`` is the sum of that figure in the ``parts``. Raises PartsDoNotAddUp."""
    rows = list(parts)
    for figure, value in total.items():
        found = sum(row.get(figure, 0) for row in rows)
        if found != value:
            raise PartsDoNotAddUp(table=table, figure=figure, parts=found, total=value)
