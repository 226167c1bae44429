"""One digest a unit and working day."""

from collections.abc import Mapping
from datetime import date
from uuid import UUID

from services.notify.domain.notice import NoticeState, Recipient, delivered
from shared.domain.aggregate import Aggregate, CommandContext, stable_id
from shared.domain.lifecycle import Lifecycle
from shared.events import notify

evolve = Lifecycle(NoticeState, begins=notify.DigestSent)
evolve.register(delivered)


@evolve.register
def _(fact: notify.DigestSent, _: None, version: int) -> NoticeState:
    return NoticeState(
        clock="digest",
        cycle=0,
        level="digest",
        colour="blue",
        to_unit=fact.unit,
        to_post=fact.post,
        subject=fact.subject,
        text=fact.text,
        not_before=fact.happened_at,
        issued_at=fact.timestamp,
        deliver_at=fact.happened_at,
        version=version,
    )


class Digest(Aggregate, lifecycle=evolve):
    """每日摘要: what is open, approaching and missed in a unit, to its main head, once a working day."""

    TOPIC = "notify.digest"
    state: NoticeState

    @staticmethod
    def id_of(unit: str, day: date) -> UUID:
        """The id of the one digest of this unit and day."""
        return stable_id("digest", unit, day)

    @property
    def notices(self) -> Mapping[UUID, NoticeState]:
        """The one notice that it is."""
        return {self.id: self.state}

    @classmethod
    def send(cls, act: CommandContext, *, to: Recipient, day: date, subject: str, text: str) -> "Digest":
        """Send the unit's digest of the day."""
        id = cls.id_of(to.unit, day)  # noqa: A001
        return cls.begin(
            notify.DigestSent,
            act,
            id,
            unit=to.unit,
            post=to.post,
            day=day,
            notice_id=id,
            subject=subject,
            text=text,
        )

    def deliver(self, act: CommandContext, *, notice_id: UUID, reference: str) -> None:
        """Record that it left, once."""
        if self.state.deliver_at is not None:
            self.record(notify.NoticeDelivered, act, notice_id=notice_id, channel="eml", reference=reference)
