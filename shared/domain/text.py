"""One rule for texts at every door: which characters are refused, what is blank, and which two texts say the same.

A text itself is kept as it was written; only what compares texts takes their :func:`identity`.
"""

import csv
import re
import unicodedata
from functools import cache, lru_cache
from pathlib import Path

from shared.domain.words import Title

RADICALS = Path(__file__).with_name("radicals.csv")
"""The radicals (U+2E80–2EFF) that PDF files put in place of ideographs, as Unicode's EquivalentUnifiedIdeograph has
them; compatibility normalisation knows the others (U+2F00–2FDF)."""

_ALWAYS = r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff"
REFUSED = rf"\x00-\x1f\x7f-\x9f{_ALWAYS}"
"""The characters refused in one line: control characters, line separators, those that turn the direction of the text
round (what an official document shows must be what it says), halves of surrogate pairs, and no characters at all."""
REFUSED_IN_LINES = rf"\x00-\x08\x0b-\x1f\x7f-\x9f{_ALWAYS}"
"""Those refused in a text of several lines, which may hold tabs and line breaks."""
INVISIBLE = (
    r"\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u206f\u2800\u3164\ufe00-\ufe0f"
    r"\uffa0\ufff0-\ufffb"
)
"""Characters that nobody sees, beside white space: fillers, joiners, selectors, the empty pattern of Braille. Within
a text they may have a meaning (emoji, Mongolian, Indic scripts); a text of nothing else is blank."""
_INVISIBLE_BEYOND = r"\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff"

_REFUSED = {False: re.compile(f"[{REFUSED}]"), True: re.compile(f"[{REFUSED_IN_LINES}]")}
_UNSEEN = re.compile(rf"[\s{REFUSED}{INVISIBLE}{_INVISIBLE_BEYOND}]+")
_OUTER = re.compile(rf"\A[^\S{REFUSED_IN_LINES}]+|[^\S{REFUSED_IN_LINES}]+\Z")

_OPENING, _CLOSING = "〔[【〖〘〚❲⦗{〈《<⟨", "〕]】〗〙〛❳⦘}〉》>⟩"
_DASHES = "֊᐀᠆‐‑‒–—―⁃−⸗⸚⸺⸻─━"
_ALIKE = str.maketrans(
    {**dict.fromkeys(_OPENING, "("), **dict.fromkeys(_CLOSING, ")"), **dict.fromkeys(_DASHES, "-"), "〜": "~"}
)


BLANK = Title("不能为空白", "Must not be blank")


def pattern_of(*, lines: bool = False) -> str:
    """The rule as a regular expression for documents.

    It leaves out lone surrogates, which cannot stand in a document, nor in JSON that is UTF-8, and what is invisible
    beyond U+FFFF, which dialects of regular expressions write differently.
    """
    refused = (REFUSED_IN_LINES if lines else REFUSED).replace(r"\ud800-\udfff", "")
    return rf"^[^{refused}]*[^{refused}{INVISIBLE}\s][^{refused}]*$"


def fault(text: str, *, lines: bool = False) -> Title | None:
    """Why a text is refused, or None; ``lines``: whether it may have several."""
    if found := _REFUSED[lines].search(text):
        code = f"U+{ord(found[0]):04X}"
        return Title(f"含有不能使用的字符 {code}", f"Holds the character {code}, which is not allowed")
    return BLANK if is_blank(text) else None


def is_blank(text: str) -> bool:
    """Whether nobody sees anything of it."""
    return not text or _UNSEEN.fullmatch(text) is not None


def trimmed(text: str) -> str:
    """A text without outer blanks, but with every character that is refused."""
    return _OUTER.sub("", text)


@cache
def _radicals() -> dict[int, str]:
    with RADICALS.open(encoding="utf-8", newline="") as lines:
        return {ord(line["radical"]): line["ideograph"] for line in csv.DictReader(lines)}


def plain(text: str) -> str:
    """A text of one width, without blanks and invisible characters, its radicals as ideographs."""
    return _UNSEEN.sub("", unicodedata.normalize("NFKC", text.translate(_radicals())))


@lru_cache(maxsize=10_000)
def identity(text: str) -> str:
    """What two spellings of one name or number have in common.

    Width, letter case, blanks, invisible characters, radicals, and the kind of brackets and dashes make no difference.
    """
    # Once more after folding the case, which may compose and decompose letters anew.
    return unicodedata.normalize("NFKC", plain(text).casefold()).translate(_ALIKE)
