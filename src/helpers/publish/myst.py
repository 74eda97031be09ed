"""What MyST's own engine says of the laid out pages: ``python -m helpers.publish.myst --profile demo``.

The next generation of Jupyter Book stands on that engine. It reads a copy of the laid out pages; what it says is
counted by kind, and kept in ``_build/PROFILE/myst.txt``. Its theme comes from the network; this doesn't need it, since
the content of the pages is made before.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import yaml

from helpers import workspace
from helpers.run import pages
from helpers.run.chapters import Book, UserError

SAID = re.compile(r"^(?P<grave>⛔|⚠)\ufe0f? +(?:\S+\.(?:md|ipynb|yml)(?::[\d:]+)? )?(?P<what>.*)$", re.MULTILINE)
LEVELS = {"⛔": "error", "⚠": "warning"}


def kinds(log: str) -> Counter:
    """Count what MyST said, by how grave it is and by kind: what a line says before it comes to names."""
    return Counter(
        (LEVELS[said["grave"]], re.split(r': | "', said["what"], maxsplit=1)[0]) for said in SAID.finditer(log)
    )


def project(folder: Path) -> dict:
    """Return MyST's configuration of laid out pages, made from Jupyter Book's."""
    toc, config = (yaml.safe_load((folder / name).read_text(encoding="utf-8")) for name in ("_toc.yml", "_config.yml"))

    def entry(name: str) -> dict:
        return {"file": next(f"{name}{kind}" for kind in (".md", ".ipynb") if (folder / f"{name}{kind}").is_file())}

    parts = [
        {"title": part["caption"], "children": [entry(each["file"]) for each in part["chapters"]]}
        for part in toc.get("parts", [])
    ]
    told = {"title": config["title"], "toc": [entry(toc["root"]), *parts], "bibliography": config["bibtex_bibfiles"]}
    return {"version": 1, "project": told, "site": {}}


def build(laid: Path, log: Path) -> Counter:
    """Let MyST read the pages in ``laid``; keep what it says in the file ``log``, and count that.

    Raises
    ------
    UserError
        There is no MyST, no Node, or MyST leaves out a page.
    """
    program = shutil.which("myst", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if not (program and shutil.which("node")):
        raise UserError(
            f"PATH: expected myst and node, found no {'node' if program else 'myst'}; run make myst, which installs "
            "myst, and install Node.js 18 or later"
        )
    with workspace.aside(laid.with_name(f".myst.{os.getpid()}.part")) as copy:
        shutil.copytree(laid, copy)
        told = project(copy)
        (copy / "_toc.yml").unlink()  # else it offers to rewrite the book
        (copy / "myst.yml").write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")
        command = [program, "build", "--site", "--ci"]
        done = subprocess.run(
            command, cwd=copy, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout.decode())
        with workspace.writing(log) as aside:
            aside.write_text(text.replace(str(copy), "pages"), encoding="utf-8")
        first, *parts = told["project"]["toc"]
        expected = {Path(each["file"]).stem for each in (first, *(e for part in parts for e in part["children"]))}
        made = len(list((copy / "_build" / "site" / "content").glob("*.json")))
    if made != len(expected):
        raise UserError(f"{log}: expected {len(expected)} pages by MyST, found {made}; its last lines say why")
    return kinds(text)


@workspace.command("helpers.publish.myst")
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 2 for what the user can mend."""
    line = argparse.ArgumentParser(prog="python -m helpers.publish.myst", description=__doc__.splitlines()[0])
    line.add_argument("--profile", default="demo", help="a profile whose pages are built (default: demo)")
    options = line.parse_args(arguments)
    index = pages.index(Book.here(), options.profile)
    if not index.is_file():
        raise UserError(f"{index}: expected finished pages, found none; run make book PROFILE={options.profile}")
    log = index.parents[1] / "myst.txt"
    found = build(index.parents[1] / "pages", log)
    for (level, kind), count in found.most_common():
        print(f"{count:5} {level:8} {kind}")
    print(f"MyST read every page; all that it said is in {log}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
