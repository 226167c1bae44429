"""Mail messages (RFC 5322) whose headers every reader reads back as they were written.

The library folds a header at its blanks and loses some of them where encoded words meet.
"""

import base64
import re
from collections.abc import Iterator, Mapping

LINE = 76
"""Characters of a line that holds an encoded word (RFC 2047)."""
WORD = "=?utf-8?b?{}?="
BYTES_IN_A_WORD = (75 - len(WORD.format(""))) // 4 * 3
ADDRESSED = ("From", "To")
"""Headers of addresses, which are ASCII: one on a line."""
PLAIN = re.compile(r"[!-~]+( [!-~]+)*")
"""Visible ASCII, single blanks between its words: written as it is, if it fits on a line."""


def message(headers: Mapping[str, str], text: str) -> bytes:
    """A message of plain text; the same words give the same bytes."""
    lines_of_text = re.split(r"\r\n?|\n", text.removesuffix("\n"))
    content = base64.encodebytes("".join(f"{line}\r\n" for line in lines_of_text).encode("utf-8", "replace"))
    lines = [header(name, value) for name, value in headers.items()]
    lines += [
        "MIME-Version: 1.0",
        'Content-Type: text/plain; charset="utf-8"',
        "Content-Transfer-Encoding: base64",
        "",
        *content.decode("ascii").splitlines(),
    ]
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def header(name: str, value: str) -> str:
    """A header's lines. Characters that no line may hold become blanks."""
    if name in ADDRESSED:
        return f"{name}: " + value.replace(", ", ",\r\n ")
    value = re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]", " ", value)
    if PLAIN.fullmatch(value) and "=?" not in value and len(name) + 2 + len(value) <= LINE:
        return f"{name}: {value}"
    return f"{name}: " + "\r\n ".join(_words(value, LINE - len(name) - 2))


def _words(value: str, first: int) -> Iterator[str]:
    """The whole value as encoded words of whole characters; ``first``: the place on the first line."""
    room = (first - len(WORD.format(""))) // 4 * 3
    part = b""
    for character in value:
        encoded = character.encode("utf-8", "replace")
        if part and len(part) + len(encoded) > min(room, BYTES_IN_A_WORD):
            yield WORD.format(base64.b64encode(part).decode("ascii"))
            part, room = b"", BYTES_IN_A_WORD
        part += encoded
    yield WORD.format(base64.b64encode(part).decode("ascii"))
