"""The rulebook as it was released: its very text, one aggregate per version."""

from typing import Self

from shared.domain.aggregate import Aggregate, CommandContext, Creation, stable_id
from shared.domain.refusal import Refusal
from shared.events import supervision
from shared.rulebook import Rulebook


class RulebookVersionTaken(Refusal):
    """办理规则第{version}版已经发布，内容不同；修改规则须另立版本号。
    Version {version} of the rulebook was released with another text: changed rules need another version."""


class RulebookVersion(Aggregate):
    """办理规则的一个版本: cases stay pinned to the version under which they were opened (measures B1)."""

    TOPIC = "supervision.rulebook_version"
    rulebook_version: int
    text: str

    @classmethod
    def release(cls, act: CommandContext, rulebook: Rulebook) -> Self:
        """Release the rulebook's text under its own version."""
        return cls.begin(
            cls.Released,
            act,
            id=stable_id("rulebook", rulebook.version),
            version=rulebook.version,
            effective=rulebook.effective,
            text=rulebook.text,
        )

    def must_read(self, text: str) -> None:
        """Raises RulebookVersionTaken if the released text is another one."""
        if text != self.text:
            raise RulebookVersionTaken(version=self.rulebook_version)

    class Released(supervision.RulebookReleased, Creation):
        def apply(self, rulebook: "RulebookVersion") -> None:
            rulebook.rulebook_version = self.version
            rulebook.text = self.text
