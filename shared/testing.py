"""What tests need: a stopped clock, acts, facts, a service in a folder of its own. No mocks."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from flask.testing import FlaskClient
from sqlalchemy import Column, MetaData, String, Table, create_engine, select
from sqlalchemy.schema import CreateTable

from shared.domain.aggregate import Aggregate, CommandContext
from shared.domain.clock import SHANGHAI
from shared.domain.roles import Role
from shared.events.base import VOCABULARY, Actor, Fact, Message
from shared.log.codec import decode, encode
from shared.process.config import Config
from shared.readmodels.lifecycle import LifecycleView
from shared.readmodels.rows import Rows
from shared.readmodels.view import View
from shared.runtime.opening import Runtime, open_service
from shared.runtime.schema import migrate
from shared.runtime.service import Service
from shared.web.auth import issue_token, load_key

F = TypeVar("F", bound=Fact)
WITHOUT_POST = ",".join(Role)
"""The setting by which tokens act whoever is appointed: for tests about something else."""


def shanghai(text: str) -> datetime:
    """``"2021-02-05 16:00"`` as that moment in Asia/Shanghai."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


class StoppedClock:
    """Stands still until it is told to go on."""

    def __init__(self, at: datetime) -> None:
        self.now = at

    def __call__(self) -> datetime:
        return self.now

    def set(self, at: datetime | str) -> None:
        """Stand at ``at``."""
        self.now = shanghai(at) if isinstance(at, str) else at

    def advance(self, **duration: float) -> None:
        """Go on by a timedelta's keywords."""
        self.now += timedelta(**duration)


_keys = count(1)


def an_act(
    at: datetime,
    unit: str = "inspect",
    post: str = "inspect/chief",
    role: str = "supervision_office",
    **more: Any,
) -> CommandContext:
    """An act of this post at this moment, under a request key of its own."""
    key = more.pop("key", f"{post}|test-{next(_keys)}")
    return CommandContext(
        by=Actor(unit=unit, post=post),
        because=f"request:{key}",
        recorded_at=at,
        happened_at=more.pop("happened_at", at),
        role=role,
        key=key,
        **more,
    )


def facts(aggregate: Aggregate) -> list[Fact]:
    """The facts that an aggregate has decided and not yet saved."""
    return list(aggregate.pending_events)  # type: ignore[arg-type]  # every nested event is a Fact


def kinds(found: Iterable[Fact]) -> list[str]:
    """The facts' published names, e.g. ``["TaskAssigned", "TaskAccepted"]``."""
    return [VOCABULARY[fact.TOPIC].__name__ for fact in found]


def folded(view: type[View], source: str, events: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """A view's rows by id after these events of one log, folded one by one."""
    columns = list(view.columns())
    table = Table(view.name, MetaData(), Column("id", String, primary_key=True), *columns)
    one = view()
    with create_engine("sqlite://").begin() as connection:
        connection.execute(CreateTable(table))
        for position, event in enumerate(events, 1):
            fact = decode(event.TOPIC, encode(event))
            message = Message(source, 0, position, event.originator_id, event.originator_version, fact)
            rows = Rows(connection, table, {}, complete=False)
            one.fold(rows, message)
            rows.flush()
        return {row.id: dict(row._mapping) for row in connection.execute(select(table))}


def rows_of(view: type[LifecycleView], source: str, events: Iterable[Any]) -> dict[str, Any]:
    """The states that a view's rows hold after these events of one log, by row id."""
    return {id_: view.state_of(row) for id_, row in folded(view, source, events).items()}


class Opened(AbstractContextManager["Opened"]):
    """Some services opened in one folder, in this process, with one clock."""

    def __init__(self, folder: Path, clock: StoppedClock, *services: Service, **settings: Any) -> None:
        self.config = Config(data=folder, poll_seconds=0.01, **{"without_post": WITHOUT_POST, **settings})
        self.clock = clock
        if self.config.database:
            for service in services:
                migrate(service, self.config, clock)
        self.runtimes: dict[str, Runtime] = {
            service.name: open_service(service, self.config, clock) for service in services
        }
        for runtime in self.runtimes.values():
            runtime.start()

    def __exit__(self, *_: object) -> None:
        for runtime in self.runtimes.values():
            runtime.close()

    def __getitem__(self, service: str) -> Runtime:
        return self.runtimes[service]

    def settle(self) -> None:
        """Let every worker run until none has anything to do, and no parked message can be handled."""
        reactors = [runtime.reactor for runtime in self.runtimes.values() if runtime.reactor]
        for _ in range(1000):
            moved = sum(runtime.settle() for runtime in self.runtimes.values())
            if not moved and not sum(reactor.retry_parked()[0] for reactor in reactors):
                return
        raise AssertionError("the services never came to rest")

    def log(self, service: str) -> list[Fact]:
        """Every fact in a service's log, in order."""
        mapper, log = self[service].app.mapper, self[service].app.log
        rows = log.select_notifications(start=None, limit=1_000_000)
        return [mapper.to_domain_event(row) for row in rows]  # type: ignore[misc]

    def of_kind(self, service: str, kind: type[F]) -> list[F]:
        """The facts of one kind in a service's log."""
        return [fact for fact in self.log(service) if isinstance(fact, kind)]

    def rows(self, service: str, view: str) -> dict[str, dict[str, Any]]:
        """A view's rows by id."""
        views = self[service].views
        with views.reading() as connection:
            table = views.table(connection, view)
            return {row.id: dict(row._mapping) for row in connection.execute(table.select())}

    def rebuild_and_compare(self, service: str) -> list[Any]:
        """Rebuild every view of a service from the logs; what came out otherwise than the live one."""
        runtime = self[service]
        differences = runtime.views.rebuild(list(runtime.views.views), runtime.follower, compare=True)
        runtime.views.retire()
        return list(differences)

    def deliver_again(self, service: str, source: str) -> None:
        """Hand every fact of ``source`` to the service's reactions once more, with the marks as they are."""
        reactor = self[service].reactor
        assert reactor is not None
        replay = reactor.follower.replay(source)
        reactor.begin_again()  # or the first of it would be taken to be new, and the consumer ConcurrencyConflict
        for batch in replay.up_to({0: 1_000_000_000}):
            reactor.handle([batch])
        replay.close()

    def client(self, service: str, role: str, unit: str, post: str) -> "Caller":
        """Somebody who talks HTTP to a service."""
        token = issue_token(
            load_key(self.config.data),
            post=post,
            unit=unit,
            role=Role(role),
            now=self.clock(),
            lifetime=timedelta(days=3650),
            issuer=self.config.token_issuer,
            audience=self.config.token_audience,
        )
        return Caller(self[service].web().test_client(), token)


class Caller:
    """An HTTP client with a token, which names each request and keeps the last answer."""

    def __init__(self, client: FlaskClient, token: str) -> None:
        self._client, self._token = client, token
        self.language = "en"

    def post(self, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> Any:
        """POST JSON; the answer (``.status_code``, ``.json``)."""
        return self._client.post(
            path,
            json={} if body is None else body,
            headers={
                "Authorization": f"Bearer {self._token}",
                "Idempotency-Key": key or f"test-{next(_keys)}",
                "Accept-Language": self.language,
                **headers,
            },
        )

    def get(self, path: str, **headers: str) -> Any:
        """GET; the answer."""
        return self._client.get(
            path,
            headers={"Authorization": f"Bearer {self._token}", "Accept-Language": self.language, **headers},
        )


def as_id(answer: Any) -> UUID:
    """The id in a write's answer; fails with the problem's text if it was refused."""
    assert answer.status_code < 400, answer.get_data(as_text=True)
    return UUID(answer.json["id"])
