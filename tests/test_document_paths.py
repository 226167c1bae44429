"""Every file, folder and heading that the documents name exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    [*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "services").glob("*/README.md")]
)
PATH = re.compile(r"(?<![\w/.-])(?:deploy|docs|services|shared|tests)/[\w./*<>-]*")
MODULE = re.compile(r"`((?:\w+/)*\w+\.py)`")
"""Also one that is named by its end alone: `log/schema.py`."""
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_and_link_of_a_document_leads_somewhere(document: Path) -> None:
    text = document.read_text("utf-8")
    paths = {re.sub(r"<\w+>", "*", path).rstrip("./") for path in PATH.findall(text)}
    missing = [path for path in sorted(paths) if not any(ROOT.glob(path))]
    missing += [
        name for name in MODULE.findall(text) if not any(ROOT.glob(f"s*/**/{name}")) and name not in paths
    ]
    for link, heading in LINK.findall(text):
        target = (document.parent / link).resolve() if link else document
        if not target.exists() or (heading and heading not in _headings(target)):
            missing.append(f"{target.relative_to(ROOT)}#{heading}".rstrip("#"))
    assert missing == []


def _headings(document: Path) -> set[str]:
    """The headings as links name them."""
    titles = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
