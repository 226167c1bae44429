"""One digest a unit and working day."""

from datetime import date, datetime
from uuid import UUID

from services.notify.domain.matter import Matter
from services.notify.domain.notice import Recipient
from shared.domain.aggregate import Aggregate, CommandContext, Creation, stable_id
from shared.events import notify


class Digest(Aggregate):
    """每日摘要: what is open, approaching and missed in a unit, to its main head, once a working day."""

    TOPIC = "notify.digest"
    unit: str
    post: str
    day: date
    notice_id: UUID
    subject: str
    text: str
    not_before: datetime
    delivered: frozenset[UUID]

    @staticmethod
    def id_of(unit: str, day: date) -> UUID:
        """The id of the one digest of this unit and day."""
        return stable_id("digest", unit, day)

    @classmethod
    def send(cls, act: CommandContext, *, to: Recipient, day: date, subject: str, text: str) -> "Digest":
        """Send the unit's digest of the day."""
        id = cls.id_of(to.unit, day)  # noqa: A001
        return cls.begin(
            cls.Sent,
            act,
            id,
            unit=to.unit,
            post=to.post,
            day=day,
            notice_id=id,
            subject=subject,
            text=text,
        )

    def deliver(self, act: CommandContext, *, reference: str) -> None:
        """Record that it left, once."""
        if self.notice_id not in self.delivered:
            self.record(Matter.Delivered, act, notice_id=self.notice_id, channel="eml", reference=reference)

    class Sent(notify.DigestSent, Creation):
        def apply(self, digest: "Digest") -> None:
            digest.unit = self.unit
            digest.post = self.post
            digest.day = self.day
            digest.notice_id = self.notice_id
            digest.subject = self.subject
            digest.text = self.text
            digest.not_before = self.happened_at
            digest.delivered = frozenset()
