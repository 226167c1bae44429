"""Refusals: a rule that was not met, under the rule's own name."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from shared.domain.words import Enumerated, Things, said


class Refusal(Exception):
    """The request was refused.

    The docstring of each subclass is what the user reads: first line Chinese, second line English, with
    ``{names}`` filled from the keyword arguments. A moment is shown in Beijing time, several values as a list, and an
    enumerated word by its title if the class says what it is one of::

        class TaskAlreadyClosed(Refusal, state=Enumerated(End)):

    ``status`` is the HTTP status (RFC 9110): 409 when the present state forbids it, 422 when the content itself can
    never be accepted, 403 when this person may not, 404 when there is no such thing. ``field`` names the request's
    field at fault, if there is one; ``at_field`` is that of one refusal, for a rule that several fields may break.
    """

    status: ClassVar[int] = 409
    field: ClassVar[str | None] = None
    words: ClassVar[Mapping[str, Enumerated | Things]] = {}
    """Which of the facts are enumerated words: what they are one of."""

    def __init_subclass__(cls, **words: Enumerated | Things) -> None:
        cls.words = {**cls.words, **words}

    def __init__(self, *, at_field: str | None = None, **facts: Any) -> None:
        self.facts = facts
        self.at_field = at_field or type(self).field
        super().__init__()

    def __str__(self) -> str:
        return self.text("en")

    def text(self, language: str) -> str:
        """The refusal in ``"zh"`` or ``"en"``."""
        lines = [line.strip() for line in (type(self).__doc__ or "").strip().splitlines() if line.strip()]
        line = lines[0] if language == "zh" or len(lines) < 2 else lines[1]
        moments = [fact for fact in self.facts.values() if isinstance(fact, datetime)]
        same_minute = len({one.replace(second=0, microsecond=0) for one in moments}) < len(moments)
        facts = {
            name: said(fact, self.words.get(name), language, seconds=same_minute)
            for name, fact in self.facts.items()
        }
        return line.format(**facts).replace("（北京时间） ", "（北京时间）")

    @classmethod
    def name(cls) -> str:
        """The rule's name as the reader of a problem document sees it, e.g. ``task-already-closed``."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()

    @property
    def rule(self) -> str:
        """See ``name``."""
        return type(self).name()
