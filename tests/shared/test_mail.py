"""A mail's headers are read back as they were written, by three readers: the library's two and Perl's."""

import json
import os
import shutil
import subprocess
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.process.mail import LINE, header, message

WORDS = (
    "督办",
    "关于 2021 年",
    "【红】",
    "《通知》",
    "第1-2号",
    "Re:",
    "PDF",
    "上海庙园区道路贯通",
    "12345",
    "GDP",
    "5G",
    "👨‍👩‍👧",
    "ᠮᠣᠩᠭᠣᠯ",
    "=?utf-8?q?x?=",
    "a" * 90,
    "\U00020bb7野家",
    "，",
    '"',
    "é",
    "_",
)
SUBJECTS = st.lists(
    st.tuples(st.sampled_from(WORDS), st.sampled_from(("", " ", " ", "  ", "　"))), min_size=1, max_size=40
).map(lambda parts: "".join(word + blank for word, blank in parts))
TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=300)
READ_BY_PERL = """
use strict; use Encode; use JSON::PP; local $/; my $read = JSON::PP->new->utf8->decode(<STDIN>);
print JSON::PP->new->utf8->encode([
  map { my $l = $_; $l =~ s/\\r\\n(?=[ \\t])//g; Encode::decode('MIME-Header', $l) } @$read
]);
"""


def read_back(written: bytes) -> Any:
    """By the older of the library's readers, which knows nothing of the newer."""
    raw = message_from_bytes(written, policy=policy.compat32)["Subject"]
    return str(make_header(decode_header(raw)))


@given(st.one_of(SUBJECTS, TEXTS))
@example("关于 2021 年 重点任务  的通知 Re: 12345")
@example(" blanks at both ends ")
@example("only ASCII " * 20)
@example("督" * 200)
@example("")
def test_a_subject_is_read_back_as_it_was_written(subject: str) -> None:
    written = message({"Subject": subject, "X-Level": "missed"}, "正文")
    assert read_back(written) == subject
    newer: EmailMessage = message_from_bytes(written, policy=policy.default)  # type: ignore[assignment]
    assert newer["X-Level"] == "missed"
    assert newer.get_content() == "正文\r\n"
    if "=?utf-8?q?x?=" not in subject:  # which it decodes once more
        assert newer["Subject"] == subject
    assert all(len(line) <= LINE for line in written.decode("ascii").split("\r\n"))


@settings(max_examples=20)
@given(st.lists(SUBJECTS, min_size=20, max_size=20))
def test_another_language_reads_the_same(subjects: list[str]) -> None:
    perl = shutil.which("perl")
    if perl is None:
        assert "CI" not in os.environ, "perl is part of every Debian"
        pytest.skip("no perl here: read by Python only")
    values = [header("Subject", subject).removeprefix("Subject: ") for subject in subjects]
    done = subprocess.run(
        [perl, "-e", READ_BY_PERL], input=json.dumps(values), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == subjects


def test_what_no_line_may_hold_becomes_a_blank() -> None:
    written = message({"Subject": "督办\r\nBcc: x@y.cn\x00\u2028完"}, "第一行\r\n第二行\n")
    assert read_back(written) == "督办  Bcc: x@y.cn  完"
    parsed: EmailMessage = message_from_bytes(written, policy=policy.default)  # type: ignore[assignment]
    assert parsed["Bcc"] is None
    assert parsed.get_content() == "第一行\r\n第二行\r\n"


def test_addresses_stand_on_lines_of_their_own() -> None:
    assert header("To", "a@b.cn, c@d.cn") == "To: a@b.cn,\r\n c@d.cn"
