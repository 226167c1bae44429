"""The embedded channel: one ``.eml`` file (RFC 5322) a notice, in a folder a day."""

import re
from email.utils import format_datetime
from pathlib import Path
from uuid import UUID

from services.notify.domain import NoticeState
from shared.domain.clock import SHANGHAI, local_day
from shared.process.files import replace
from shared.process.mail import message

DOMAIN = "duban.invalid"
"""A domain that no mail can reach (RFC 2606): a real address is the mail service's own business."""


def address(post: str) -> str:
    """The mail address of a post: ``fgw/head`` → ``fgw.head@duban.invalid``."""
    local = re.sub(r"[^A-Za-z0-9.-]", "-", post.replace("/", "."))
    return f"{local}@{DOMAIN}"


def written(notice_id: UUID, notice: NoticeState) -> bytes:
    """The message: the same notice, the same bytes, so that a repeated delivery overwrites it with itself."""
    headers = {
        "From": f"duban@{DOMAIN}",
        "To": address(notice.to_post),
        "Subject": notice.subject,
        "Date": format_datetime(notice.not_before.astimezone(SHANGHAI)),
        "Message-ID": f"<{notice_id}@{DOMAIN}>",
        "Auto-Submitted": "auto-generated",
        "X-Duban-Level": notice.level,
        "X-Duban-Colour": notice.colour,
    }
    return message(headers, notice.text)


def put(outbox: Path, notice_id: UUID, notice: NoticeState) -> str:
    """Write the letter whole or not at all; its name within the outbox. To a post, never to a person's address."""
    name = f"{local_day(notice.not_before).isoformat()}/{notice_id}.eml"
    replace(outbox / name, written(notice_id, notice), mode=0o666)  # less what the process's umask takes
    return name
