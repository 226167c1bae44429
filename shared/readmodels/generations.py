"""The tables of the views, one for each version and rebuild."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    func,
    inspect,
    select,
    update,
)

from shared.database.engine import execute_on
from shared.domain.refusal import Refusal
from shared.readmodels.view import View

_meta = MetaData()
_generations = Table(
    "views",
    _meta,
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("live", Boolean, nullable=False),
)
LIVE = "SELECT name, version, generation FROM views WHERE live"


class ViewIsBeingBuilt(Refusal):
    """所查的数据正在重建，请稍后再试。
    What is asked for is being built: try again in a moment."""

    status = 503


class Generations:
    """The tables of the views: each version and each rebuild is a generation of its own, one of them is live."""

    def __init__(self, views: Mapping[str, View]) -> None:
        self._views = views
        self._tables: dict[str, Table] = {}

    def create(self, connection: Connection, *, empty: bool) -> None:
        """Make missing tables; in an empty database every view is live at once."""
        _meta.create_all(connection)
        known = {(row.name, row.version) for row in connection.execute(select(_generations))}
        for view in self._views.values():
            if (view.name, view.version) not in known and empty:
                self.add(connection, view, 1, live=True)

    def add(self, connection: Connection, view: View, generation: int, *, live: bool) -> Table:
        """Make the table of a new generation."""
        connection.execute(
            _generations.insert().values(
                name=view.name, version=view.version, generation=generation, live=live
            )
        )
        table = self.table(view, generation)
        table.drop(connection, checkfirst=True)
        table.create(connection)
        return table

    def table(self, view: View, generation: int) -> Table:
        """The table of a view's generation."""
        name = f"{view.name}__v{view.version}_{generation}"
        if name not in self._tables:
            columns = list(view.columns())
            table = Table(name, MetaData(), Column("id", String, primary_key=True), *columns)
            for column in columns:
                if column.info.get("index"):
                    Index(f"{name}__{column.name}", column, table.c.id)
            self._tables[name] = table
        return self._tables[name]

    def live(self, connection: Connection, view: View) -> Table:
        """The live table of a view. Raises ViewIsBeingBuilt."""
        generation = connection.execute(
            select(_generations.c.generation).where(
                _generations.c.name == view.name, _generations.c.version == view.version, _generations.c.live
            )
        ).scalar()
        if generation is None:
            raise ViewIsBeingBuilt()
        return self.table(view, generation)

    def all_live(self, connection: Connection) -> dict[str, Table]:
        """The live table of every view that has one."""
        return self.tables(execute_on(connection)(LIVE, ()))

    def tables(self, generations: Sequence[Sequence[Any]]) -> dict[str, Table]:
        """The tables of the rows that LIVE returned."""
        return {
            name: self.table(self._views[name], generation)
            for name, version, generation in generations
            if name in self._views and self._views[name].version == version
        }

    def present(self, connection: Connection) -> bool:
        """Whether the database has been prepared at all."""
        return inspect(connection).has_table(_generations.name)

    @staticmethod
    def next_number(connection: Connection, view: View) -> int:
        """The number of the next generation."""
        last = connection.execute(
            select(func.max(_generations.c.generation)).where(
                _generations.c.name == view.name, _generations.c.version == view.version
            )
        ).scalar()
        return (last or 0) + 1

    @staticmethod
    def make_live(connection: Connection, view: View, generation: int) -> None:
        """Make this generation the live one."""
        of_view = _generations.c.name == view.name
        connection.execute(update(_generations).where(of_view).values(live=False))
        connection.execute(
            update(_generations)
            .where(of_view, _generations.c.version == view.version, _generations.c.generation == generation)
            .values(live=True)
        )

    @staticmethod
    def drop_older(connection: Connection) -> None:
        """Drop older generations and versions of live views."""
        rows = connection.execute(select(_generations)).all()
        live = {row.name: (row.version, row.generation) for row in rows if row.live}
        for row in rows:
            if (row.version, row.generation) >= live.get(row.name, (0, 0)):
                continue
            connection.exec_driver_sql(f'DROP TABLE IF EXISTS "{row.name}__v{row.version}_{row.generation}"')
            connection.execute(
                delete(_generations).where(
                    _generations.c.name == row.name,
                    _generations.c.version == row.version,
                    _generations.c.generation == row.generation,
                )
            )
