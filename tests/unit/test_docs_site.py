"""The site holds together: the nav names every page and no other, and each link of README and docs leads somewhere.

`mkdocs build --strict` asks the same of docs/; here it is asked within a second, and of links into the repository too.
"""

import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"(?<!\\)\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")


def _nav(entries: Any) -> list[str]:
    """Return the pages of a nav in its order, whatever the depth."""
    match entries:
        case str():
            return [entries]
        case dict():
            return [page for below in entries.values() for page in _nav(below)]
        case _:
            return [page for entry in entries for page in _nav(entry)]


def _prose(page: Path) -> str:
    """Return a page without its blocks of code and its inline code, where nothing is a link."""
    text = re.sub(r"^ *(```+).*?^ *\1$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]+`", lambda code: re.sub(r"[\[\]()]", "", code[0]), text)


def _anchors(page: Path) -> set[str]:
    """Return the ids of a page's headings, as Python-Markdown makes them; a heading that comes again is numbered."""
    ids: list[str] = []
    for heading in re.findall(r"^#{1,6} (.+)$", _prose(page), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
        plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
        slug = re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())
        times = sum(re.fullmatch(rf"{re.escape(slug)}(_\d+)?", each) is not None for each in ids)
        ids.append(f"{slug}_{times}" if times else slug)
    return set(ids)


def _fault(page: Path, link: str) -> str | None:
    """Say where a link leads to nothing; links to other sites are not followed."""
    own = f"{SITE['repo_url']}/blob/main/"
    target, _, anchor = link.partition("#")
    if target.startswith(own):
        file = ROOT / target.removeprefix(own)
    elif re.match(r"[a-z]+:", target):
        return None
    else:
        file = page.parent / target if target else page
    if not file.exists():
        return f"{link}: there is no {target}"
    if DOCS in page.parents and not target.startswith(own) and DOCS not in file.resolve().parents:
        return f"{link}: leads out of the site; write {own}..."
    if anchor and anchor not in _anchors(file):
        return f"{link}: {file.name} has no heading #{anchor}"
    return None


def test_the_nav_names_every_page_and_no_other() -> None:
    named = _nav(SITE["nav"])
    assert len(named) == len(set(named))
    assert set(named) == {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    faults = [_fault(page, link) for link in LINK.findall(_prose(page))]
    assert not [fault for fault in faults if fault]


def test_links_are_found_and_broken_ones_told() -> None:
    page = DOCS / "index.md"
    assert LINK.findall(_prose(page))
    assert _fault(page, "your-model.md#memory-and-time") is None
    assert _fault(page, "https://example.org/nothing") is None
    for broken in ("your-modle.md", "your-model.md#memory", "../README.md", f"{SITE['repo_url']}/blob/main/nothing.md"):
        assert _fault(page, broken), broken


def test_every_picture_of_the_site_is_shown() -> None:
    shown = {link for page in DOCS.rglob("*.md") for link in LINK.findall(_prose(page))}
    assert {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.svg")} <= shown
