"""Erasing personal data 删除个人信息: first the fact in the log, then the key."""

from datetime import datetime
from typing import Any
from uuid import UUID

from shared.application.application import Application
from shared.application.result import CommandResult
from shared.domain.aggregate import Aggregate, CommandContext, Creation, stable_id
from shared.domain.clock import local_day
from shared.domain.refusal import Refusal
from shared.events import audit
from shared.events.base import Actor
from shared.log.recorder import rows_of
from shared.personal_data.keystore import FINGERPRINTS, KeyStore


class NothingToErase(Refusal):
    """没有 {subject} 的个人信息密钥：从未登记过其个人信息。
    There is no key of {subject}: none of its personal data were ever registered."""

    status = 404


class ErasedAlready(Refusal):
    """{subject} 的个人信息已于 {day} 删除（{ground}），此后没有再登记，未作任何更改。
    The personal data of {subject} were erased on {day} ({ground}) and none registered since: nothing was changed."""


class ErasureNeedsGround(Refusal):
    """删除个人信息须写明依据。
    An erasure needs its ground."""

    status = 422
    field = "ground"


class Erasure(Aggregate):
    """删除个人信息: the keys of one subject were erased; it has a single event."""

    TOPIC = "audit.erasure"
    subject: str
    ground: str
    at: datetime

    @staticmethod
    def id_of(subject: str, generation: int) -> UUID:
        """The id of the one erasure of this key."""
        return stable_id("erasure", subject, generation)

    @property
    def number(self) -> str:
        """Whose data they were."""
        return self.subject

    class Erased(audit.PersonErased, Creation):
        def apply(self, erasure: "Erasure") -> None:
            erasure.subject, erasure.ground, erasure.at = self.subject, self.ground, self.timestamp


def present_generation(store: KeyStore, subject: str) -> int:
    """The number of the subject's key. Raises NothingToErase, ErasedAlready."""
    row = store.table.latest(subject)
    if row is None or subject == FINGERPRINTS:
        raise NothingToErase(subject=subject)
    if row.erased_at is not None:
        raise ErasedAlready(subject=subject, day=local_day(row.erased_at), ground=row.ground)
    generation: int = row.generation
    return generation


def erase(app: Application, store: KeyStore, by: Actor, subject: str, ground: str) -> int:
    """Record in the log of ``app`` that the subject's personal data are erased, then erase its keys; the last one.

    An interrupted erasure is completed by the same command, or by ``erase_again``. Two at once record it once.

    Raises NothingToErase, ErasedAlready, ErasureNeedsGround.
    """
    ground, now = ground.strip(), app.clock()
    if not ground:
        raise ErasureNeedsGround()
    generation = present_generation(store, subject)
    id_ = Erasure.id_of(subject, generation)
    key = f"duban/erasure|{id_}"
    act = CommandContext(by=by, because=f"request:{key}", recorded_at=now, happened_at=now, key=key)

    def use_case(act: CommandContext) -> CommandResult:
        fact = Erasure.begin(Erasure.Erased, act, id_, subject=subject, generation=generation, ground=ground)
        return app.commit(act, fact)

    app.perform(act, use_case)
    fact = app.load(Erasure, id_)
    store.erase(subject, generation, fact.at, fact.ground)
    store.table.clean()
    return generation


def erase_again(app: Application, store: KeyStore) -> int:
    """Erase every key whose erasure is recorded in the log of ``app``; how many still existed.

    For a key store that was restored from a copy older than an erasure.
    """
    found = 0
    for rows in rows_of(app.log, topics=[audit.PersonErased.TOPIC]):
        for row in rows:
            fact: Any = app.mapper.to_domain_event(row)
            found += store.erase(fact.subject, fact.generation, fact.timestamp, fact.ground)
    store.table.clean()
    return found
