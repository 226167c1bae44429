"""The embedded channel: one ``.eml`` file (RFC 5322) a notice, in a folder a day."""

import os
import re
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from uuid import UUID

from shared.domain.clock import SHANGHAI, local_day

DOMAIN = "duban.invalid"
"""A domain that no mail can reach (RFC 2606): a real address is the mail service's own business."""


@dataclass(frozen=True, kw_only=True)
class Letter:
    """What leaves: to a post, never to a person's address."""

    notice_id: UUID
    to_post: str
    subject: str
    text: str
    at: datetime
    level: str
    colour: str


def address(post: str) -> str:
    """The mail address of a post: ``fgw/head`` → ``fgw.head@duban.invalid``."""
    local = re.sub(r"[^A-Za-z0-9.-]", "-", post.replace("/", "."))
    return f"{local}@{DOMAIN}"


def written(letter: Letter) -> bytes:
    """The message: the same letter, the same bytes, so that a repeated delivery overwrites it with itself."""
    message = EmailMessage(policy=SMTP)
    message["From"] = f"duban@{DOMAIN}"
    message["To"] = address(letter.to_post)
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(letter.at.astimezone(SHANGHAI))
    message["Message-ID"] = f"<{letter.notice_id}@{DOMAIN}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Duban-Level"] = letter.level
    message["X-Duban-Colour"] = letter.colour
    message.set_content(letter.text, charset="utf-8", cte="base64")
    return bytes(message)


def put(outbox: Path, letter: Letter) -> str:
    """Write the letter whole or not at all; its name within the outbox."""
    name = f"{local_day(letter.at).isoformat()}/{letter.notice_id}.eml"
    path = outbox / name
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        file.write(written(letter))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    return name
