"""Whether the post that a token names may act: a token may be a year old, and posts are vacated meanwhile (措施6)."""

import time
from collections.abc import Callable
from typing import Protocol

from shared.domain.refusal import Refusal
from shared.domain.roles import Role
from shared.domain.units import PostState
from shared.web.auth import Identity

PAUSE = 0.05
"""Seconds between two looks for a post that may be on its way."""


class TokenOfUnknownPost(Refusal):
    """单位 {unit} 没有登记岗位 {post}，该令牌不能办理、也不能查看
    The unit {unit} has no registered post {post}: its token neither acts nor reads"""

    status = 403


class TokenOfVacantPost(Refusal):
    """岗位 {post} 目前无人任职，该令牌不能办理、也不能查看
    Nobody holds the post {post} at present: its token neither acts nor reads"""

    status = 403


class Officials(Protocol):
    """Who is registered: reference data, as far as the service knows it."""

    def official(self, post: str) -> PostState | None:
        """The post, if it is registered."""

    def takes_first_steps(self, unit: str, kind: str) -> bool:
        """Whether the unit, of this kind, has never had anybody appointed by name; or no unit is registered at all."""


OFFICES = {Role.government_office: "office", Role.supervision_office: "supervision"}
"""The roles that set a suite up, and the kind of unit in which each does."""


class Standing:
    """Raises, for a token's identity, why its post does not act.

    ``without_post``: the roles, posts and subjects that act without a held post, as configured. ``behind``: whether
    more of the register may be on its way: nobody is refused before that has come, or ``wait`` seconds have passed.
    """

    def __init__(
        self,
        officials: Callable[[], Officials],
        without_post: str,
        *,
        behind: Callable[[], bool] = lambda: False,
        wait: float = 0.0,
    ) -> None:
        self._officials, self._behind, self._wait = officials, behind, wait
        self._without_post = frozenset(filter(None, without_post.split(",")))

    def __call__(self, identity: Identity) -> None:
        """Raises TokenOfUnknownPost, TokenOfVacantPost."""
        if self._refusal(identity) is None:
            return
        waited = 0.0
        while waited < self._wait and self._behind():
            time.sleep(PAUSE)
            waited += PAUSE
            if self._refusal(identity) is None:
                return
        if (refusal := self._refusal(identity)) is not None:
            raise refusal

    def _refusal(self, identity: Identity) -> Refusal | None:
        named = {str(identity.role), identity.post, identity.subject}
        if identity.role == Role.enterprise or not named.isdisjoint(self._without_post):
            return None
        officials = self._officials()
        post = officials.official(identity.post)
        if post is not None and post.unit == identity.unit:
            return TokenOfVacantPost(post=identity.post) if post.holder is None else None
        kind = OFFICES.get(identity.role)
        if post is None and kind is not None and officials.takes_first_steps(identity.unit, kind):
            return None
        return TokenOfUnknownPost(post=identity.post, unit=identity.unit)
