"""The words of a sheet for posts and leaders, matched with the posts there are."""

from collections.abc import Iterable

from services.assignment.domain.units import leader_in_charge
from services.assignment.spreadsheets import RowProblem, TaskRow
from shared.domain.text import identity
from shared.domain.units import PostState

HEAD_WORDS = frozenset({"", "主要负责人", "单位主要负责人", "部门主要负责人", "负责人", "第一责任人"})
"""Words for the unit's main head, whatever the title of the post."""

IN_CHARGE_WORDS = frozenset({"", "分管领导", "分管旗领导", "分管副旗长", "分管副职", "牵头领导"})
"""Words for the leader whose portfolio holds the lead unit."""


class RowRefused(Exception):
    """Why a row is refused, before it is known which row of which sheet it was."""

    def __init__(self, field: str, value: str, zh: str, en: str) -> None:
        super().__init__(en)
        self._field, self._value, self._zh, self._en = field, value, zh, en

    def of(self, row: TaskRow) -> RowProblem:
        """The reason at its row."""
        return RowProblem(
            row=row.row,
            field=self._field,
            value=self._value,
            reason_zh=self._zh,
            reason_en=self._en,
            sheet=row.sheet,
        )


class PostBook:
    """Every post, by unit and title."""

    def __init__(self, posts: Iterable[PostState]) -> None:
        self._posts = {post.post: post for post in posts}
        self._of_unit: dict[str, list[PostState]] = {}
        for post in self._posts.values():
            self._of_unit.setdefault(post.unit, []).append(post)
        self._leaders = [post for post in self._posts.values() if post.is_leader]

    def post(self, row: TaskRow, present: str | None) -> str:
        """The post that answers for the row: by its title within the lead unit, by default the main head's."""
        if present is not None and (not row.post or self._is_called(present, row.post)):
            return present
        posts = self._of_unit.get(row.lead, [])
        found = [post for post in posts if row.post and _same(post.title, row.post)]
        heads = [post for post in posts if post.role == "unit_head"]
        if not found and (identity(row.post) in HEAD_WORDS or posts == heads):
            # Of a unit whose posts are not registered yet, its main head answers for every row (措施6 第一责任人).
            found = heads
        if not found:
            raise RowRefused(
                "post",
                row.post,
                f"牵头单位没有登记岗位“{row.post or '主要负责人'}”",
                f'the lead unit has no post "{row.post or "main head"}"',
            )
        held = [post for post in found if post.holder is not None]
        return (held or found)[0].post

    def leader(self, row: TaskRow, present: str | None, of_list: str) -> str:
        """The leader of the row: by the post's title, or who is in charge of the lead unit, by default the list's."""
        if present is not None and (not row.leader or self._is_called(present, row.leader)):
            return present
        found = [post for post in self._leaders if row.leader and _same(post.title, row.leader)]
        if len(found) > 1:
            found = [post for post in found if post.is_in_charge_of(row.lead)]
        elif not found and identity(row.leader) in IN_CHARGE_WORDS:
            if (in_charge := leader_in_charge(row.lead, self._leaders)) is not None:
                return in_charge
            vice = [post for post in self._leaders if post.role == "vice_leader"]
            return vice[0].post if row.leader and len(vice) == 1 else of_list
        elif not found and all(post.role == "main_leader" for post in self._leaders):
            return of_list  # no vice leader's post is registered yet that the words could name
        if len(found) != 1:
            raise RowRefused(
                "leader",
                row.leader,
                f"没有（或不止一个）名为“{row.leader}”的领导岗位",
                f'there is no leader\'s post, or more than one, called "{row.leader}"',
            )
        return found[0].post

    def _is_called(self, post: str, written: str) -> bool:
        return post in self._posts and _same(self._posts[post].title, written)


def _same(title: str, written: str) -> bool:
    return identity(title) == identity(written)
