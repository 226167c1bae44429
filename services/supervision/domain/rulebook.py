"""The rulebook as it was released: its very text, one aggregate per version."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Self

from shared.domain.aggregate import Aggregate, CommandContext, stable_id
from shared.domain.lifecycle import Lifecycle
from shared.domain.refusal import Refusal
from shared.events import supervision
from shared.events.matter import Secrecy
from shared.rulebook import Rulebook


class RulebookVersionTaken(Refusal):
    """办理规则第{version}版已经发布，内容不同；修改规则须另立版本号。
    Version {version} of the rulebook was released with another text: changed rules need another version."""


@dataclass(frozen=True, kw_only=True)
class RulebookState:
    """办理规则: the version, from when it holds, and its very text."""

    rulebook_version: int
    effective: date
    released_at: datetime
    text: str

    secrecy: ClassVar[Secrecy] = "public"
    concerned: ClassVar[tuple[str, ...]] = ()


evolve = Lifecycle(RulebookState, begins=supervision.RulebookReleased)


@evolve.register
def _(fact: supervision.RulebookReleased) -> RulebookState:
    return RulebookState(
        rulebook_version=fact.version,
        effective=fact.effective,
        released_at=fact.timestamp,
        text=fact.text,
    )


class RulebookVersion(Aggregate, lifecycle=evolve):
    """办理规则的一个版本: cases stay pinned to the version under which they were opened (measures B1)."""

    TOPIC = "supervision.rulebook_version"
    state: RulebookState

    @classmethod
    def release(cls, act: CommandContext, rulebook: Rulebook) -> Self:
        """Release the rulebook's text under its own version."""
        return cls.begin(
            supervision.RulebookReleased,
            act,
            id=stable_id("rulebook", rulebook.version),
            version=rulebook.version,
            effective=rulebook.effective,
            text=rulebook.text,
        )

    def must_read(self, text: str) -> None:
        """Raises RulebookVersionTaken if the released text is another one."""
        if text != self.state.text:
            raise RulebookVersionTaken(version=self.state.rulebook_version)
