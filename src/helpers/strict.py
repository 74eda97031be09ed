"""YAML of which nothing is lost in silence: what PyYAML reads safely, without what it reads otherwise than it looks.

PyYAML keeps the last of two equal keys, and reads the key ``03`` as the number 3, the value ``020`` as 16, and ``1:30``
as 90. An alias may repeat what stands elsewhere without end, or a billion times. None of these has a use in a file of
settings.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

LONGEST = 2**20
"""Characters that a text may have; the longest of the book's own files has some 30,000."""
DEEPEST = 32
"""Levels of lists and mappings within each other."""
TO_OTHER_BASES = re.compile(r"[-+]?0[_0]*[1-7]_*[0-7_]+|.*:.*")
"""Numbers that YAML 1.1 takes for octal ones, or for hours, minutes and seconds; ``03`` is the same either way."""


class _Loader(yaml.SafeLoader):  # the one in C composes by itself
    """A safe loader that refuses repeated keys, keys that are no text, aliases, and more than `DEEPEST` levels."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        """Return the next node of the document."""
        if self.check_event(yaml.AliasEvent):
            event = self.get_event()
            raise yaml.MarkedYAMLError(None, None, "an alias; write out what it stands for", event.start_mark)
        self.depth += 1
        if self.depth > DEEPEST:
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(None, None, f"more than {DEEPEST} levels; write it flatter", mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_plain(self, node: yaml.ScalarNode) -> int | float:
        """Return a number; refuse one that is another than it looks."""
        if TO_OTHER_BASES.fullmatch(node.value) and node.style is None:
            what = f"the number {node.value!r}, which YAML reads to another base; write it plainly, or in quotes"
            raise yaml.MarkedYAMLError(None, None, what, node.start_mark)
        whole = node.tag == "tag:yaml.org,2002:int"
        return self.construct_yaml_int(node) if whole else self.construct_yaml_float(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """Return a mapping whose keys are texts, each there once."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                what = f"the key {key.value!r}, which is no text; put it in quotes"
                raise yaml.MarkedYAMLError(None, None, what if isinstance(key.value, str) else "a key that is no text",
                                           key.start_mark)  # fmt: skip
            if key.value in seen:
                raise yaml.MarkedYAMLError(None, None, f"the key {key.value!r} twice; keep one", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


for kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{kind}", _Loader.construct_plain)


def load(text: str) -> Any:
    """Read one YAML document.

    Raises
    ------
    yaml.YAMLError
        It isn't YAML, has a key twice or one that is no text, an alias, a number to another base, too many levels, or
        is too long.
    ValueError
        It holds a date that there isn't.

    Examples
    --------
    >>> load("{a: 1, b: [2, x]}")
    {'a': 1, 'b': [2, 'x']}
    """
    if len(text) > LONGEST:
        raise yaml.YAMLError(f"more than {LONGEST} characters")
    try:
        return yaml.load(text, _Loader)
    except (
        LookupError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:  # PyYAML's own checks end here
        raise yaml.YAMLError(f"a value that is not what its tag or form says ({type(error).__name__})") from error


def read(path: Path) -> Any:
    """Read a file as `load` reads text; a pipe or a device, which may have no end, is refused as one."""
    if path.exists() and not path.is_file():
        raise yaml.YAMLError("something that is no plain file")
    with path.open(encoding="utf-8") as file:
        return load(file.read(LONGEST + 1))
