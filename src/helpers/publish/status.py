"""How the chapters of a profile ran, as a page: ``python -m helpers.publish.status --profile demo``.

For each chapter it tells whether it is fresh, or why it is stale, how long it took, and of which commit it is. The page
goes beside those of the book, and isn't one of them: seconds differ from run to run, and the book's pages don't.
"""

from __future__ import annotations

import argparse
import sys

import jinja2
import nbformat

from helpers import workspace
from helpers.run import __main__ as runner
from helpers.run import pages, staleness
from helpers.run.chapters import Book, UserError
from helpers.store import local


def rows(plan: runner.Plan) -> list[dict[str, str]]:
    """Return a row a chapter: ``title``, ``state`` (fresh, stale, not run), ``why``, ``seconds``, ``commit``, ``date``.

    All are texts, empty where nothing is known.
    """
    book, profile, found = plan.book, plan.profile.name, []
    for chapter, why in runner.examine(plan):
        row = {"title": chapter.title, "state": "not run", "why": "", "seconds": "", "commit": "", "date": ""}
        if record := staleness.read_record(book, chapter.stem, profile):
            row |= {name: record.get("label", {}).get(name, "") for name in ("commit", "date")}
            row |= {"state": "stale" if why else "fresh", "why": why or ""}
            if (page := book.executed(profile, chapter.stem)).exists():
                seconds = nbformat.read(local(page), as_version=4).metadata.get("papermill", {}).get("duration")
                row["seconds"] = f"{seconds:,.0f}" if seconds else ""
        found.append(row)
    return found


@workspace.command("helpers.publish.status")
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, 1 where a chapter is not fresh, 2 for what the user can mend."""
    line = argparse.ArgumentParser(prog="python -m helpers.publish.status", description=__doc__.splitlines()[0])
    line.add_argument("--profile", default="demo", help="a file of notebooks/profiles, without .yml (default: demo)")
    options = line.parse_args(arguments)
    book = Book.here()
    plan = runner.plan(book, runner.parser().parse_args(["--profile", options.profile]))
    table, home = rows(plan), pages.index(book, options.profile).parent
    if not home.is_dir():
        raise UserError(f"{home}: expected the pages of the book, found none; run make book first")
    places = jinja2.PackageLoader("helpers.publish", ".")
    html = jinja2.Environment(loader=places, autoescape=True).get_template("status.html")
    with workspace.writing(home / "status.html") as aside:
        aside.write_text(html.render(profile=options.profile, rows=table), encoding="utf-8")
    for row in table:
        print(f"{row['state']:8} {row['seconds']:>6} s  {row['title']}" + (f": {row['why']}" if row["why"] else ""))
    print(f"the page is at {home / 'status.html'}")
    return 0 if all(row["state"] == "fresh" for row in table) else 1


if __name__ == "__main__":
    sys.exit(main())
