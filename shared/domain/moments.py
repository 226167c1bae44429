"""No fact lies before the one that makes it possible (发生时间): the guards compare the two moments."""

import re
from datetime import datetime

from shared.domain.aggregate import CommandContext
from shared.domain.refusal import Refusal
from shared.events.base import Fact


class BeforeWhatItRestsOn(Refusal):
    """发生时间 {happened_at} 早于它所依据的“{fact_zh}”：{since}
    The time of the fact, {happened_at}, is before "{fact_en}", on which it rests: {since}"""

    status = 422
    field = "happened_at"


def not_before(act: CommandContext, fact: type[Fact], since: datetime | None) -> None:
    """Raises BeforeWhatItRestsOn if the act happened before the fact that it rests on, which happened at ``since``."""
    if since is not None and act.happened_at < since:
        raise BeforeWhatItRestsOn(
            happened_at=act.happened_at,
            since=since,
            fact_zh=(fact.__doc__ or "").partition(":")[0],
            fact_en=re.sub(r"(?<!^)(?=[A-Z])", " ", fact.__name__).lower(),
        )
