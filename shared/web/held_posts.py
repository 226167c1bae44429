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
        """Whether nobody has ever been appointed by name in the unit, which is of this kind, or no unit is."""


OFFICES = {Role.government_office: "office", Role.supervision_office: "supervision"}
"""The roles that set a suite up, and the kind of unit in which each does."""


class HeldPosts:
    """Raises, for a token's identity, why its post does not act.

    ``without_post``: the roles, posts and subjects that act without a held post, as configured. ``wait``: seconds
    for which nobody is refused, because what would let them act may be on its way.
    """

    def __init__(self, officials: Callable[[], Officials], without_post: str, *, wait: float = 0.0) -> None:
        self._officials, self._wait = officials, wait
        self._without_post = frozenset(filter(None, without_post.split(",")))

    def __call__(self, identity: Identity) -> None:
        """Raises TokenOfUnknownPost, TokenOfVacantPost."""
        waited = 0.0
        while (refusal := self._refusal(identity)) is not None:
            if waited >= self._wait:
                raise refusal
            time.sleep(PAUSE)
            waited += PAUSE

    def _refusal(self, identity: Identity) -> Refusal | None:
        named = {str(identity.role), identity.post, identity.subject}
        if identity.role == Role.enterprise or not named.isdisjoint(self._without_post):
            return None
        officials = self._officials()
        post = officials.official(identity.post)
        if post is not None and post.unit == identity.unit and post.holder is not None:
            return None
        kind = OFFICES.get(identity.role)
        never_held = post is None or not post.held
        if never_held and kind is not None and officials.takes_first_steps(identity.unit, kind):
            return None
        if post is None or post.unit != identity.unit:
            return TokenOfUnknownPost(post=identity.post, unit=identity.unit)
        return TokenOfVacantPost(post=identity.post)
