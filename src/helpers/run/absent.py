"""Mentions of chapters that a profile doesn't run: links and references to them become plain words.

A page may point at any chapter. In a book without that chapter the link would lead nowhere, so it says where the
thing stands instead.
"""

from __future__ import annotations

import re

from helpers.run.chapters import Chapter

LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?:[^)\s]*/)?(\d\d_\w+)(?:\.ipynb|\.md|\.html)?(?:#[^)\s]*)?\)")
DOCUMENT = re.compile(r"\{doc\}`(?:([^`<]*?)\s*<)?(?:[^`>\s]*/)?(\d\d_\w+?)(?:\.ipynb)?>?`")
REFERENCE = re.compile(r"\{(?:numref|ref|eq|math:numref)\}`(?:[^`<]*<)?([^`<>]+)>?`")
TARGETS = (
    re.compile(r"^\(([^)\s]+)\)=\s*$", re.MULTILINE),
    re.compile(r"^\$\$\s*\(([^)\s]+)\)\s*$", re.MULTILINE),
    re.compile(r"^:(?:name|label): *(\S+)\s*$", re.MULTILINE),
)


def labels(chapter: Chapter) -> set[str]:
    """List what other pages can refer to in a chapter: its figures, equations, and named places."""
    found = set()
    for cell in chapter.notebook.cells:
        if cell.cell_type == "markdown":
            found.update(label for pattern in TARGETS for label in pattern.findall(cell.source))
        else:
            drawn = cell.metadata.get("mystnb", {})
            found.update(drawn[kind]["name"] for kind in ("figure", "image") if "name" in drawn.get(kind, {}))
    return found


def plain(text: str, absent: list[Chapter]) -> str:
    """Return Markdown with links and references to absent chapters as words."""
    titles = {chapter.stem: chapter.title for chapter in absent}
    homes = {label: chapter.title for chapter in absent for label in labels(chapter)}

    def link(found: re.Match) -> str:
        return found[0] if found[2] not in titles else found[1] or f"*{titles[found[2]]}*"

    def reference(found: re.Match) -> str:
        home = homes.get(found[1].strip())
        return found[0] if home is None else f"(in *{home}*, which this run leaves out)"

    return REFERENCE.sub(reference, DOCUMENT.sub(link, LINK.sub(link, text))) if absent else text
