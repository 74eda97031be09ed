"""Run the stale chapters of a profile, then build its pages: ``python -m helpers.run --profile demo``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from helpers.run import chapters, execute, html, lock, profiles, stage, staleness
from helpers.run.chapters import Chapter
from helpers.run.digests import Digests
from helpers.run.places import Book, ChapterFailed, UserError
from helpers.run.profiles import Profile, Settings
from helpers.workspace import ARTEFACTS


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str):
        """Print the message and leave with status 2."""
        self.exit(2, f"helpers.run: {message}; see --help\n")


def parser() -> Parser:
    """Describe the command line."""
    told = Parser(prog="python -m helpers.run", description="Run the stale chapters of a profile and build its pages.")
    told.add_argument("--profile", default="demo", help="a file of notebooks/profiles, without .yml (default: demo)")
    told.add_argument(
        "--set", dest="overrides", action="append", nargs="+", default=[], metavar="NAME=VALUE",
        help="a value for every chapter that has the parameter, or CHAPTER.NAME=VALUE for one",
    )  # fmt: skip
    told.add_argument(
        "--only", action="extend", nargs="+", default=[], metavar="CHAPTER", help="run only these chapters, such as 03"
    )
    told.add_argument("--force", action="store_true", help="run the chapters even where they are fresh")
    told.add_argument("--list", "--dry-run", dest="dry", action="store_true", help="say what would run, and why")
    told.add_argument("--no-pages", action="store_true", help="leave the HTML pages as they are")
    return told


@dataclass
class Plan:
    """What a run is to do.

    Parameters
    ----------
    book : Book
    profile : Profile
    everything : list of Chapter
        All that there are, in reading order.
    chapters : list of Chapter
        Those of the profile.
    only : list of Chapter
        Those that may run this time.
    settings : dict
        `Settings` by stem.
    """

    book: Book
    profile: Profile
    everything: list[Chapter]
    chapters: list[Chapter]
    only: list[Chapter]
    settings: dict[str, Settings]


def plan(book: Book, options: argparse.Namespace) -> Plan:
    """Check everything that can be checked before a chapter runs."""
    profile = profiles.load(book, options.profile)
    everything = chapters.discover(book.notebooks)
    overrides = [text for group in options.overrides for text in group]
    settings = profiles.settings(profile, everything, overrides, book.root)
    mine = [chapter for chapter in profiles.chapters_of(profile, everything) if chapter.stem in settings]
    only = chapters.choose(mine, options.only, f"--only, profile {profile.name}") if options.only else mine
    profiles.check_outside(profile, {chapter.stem: settings[chapter.stem] for chapter in only})
    _check_inputs(book, profile.name, mine, only)
    if not options.no_pages:
        stage.contents(book.root, {chapter.stem for chapter in mine})
    return Plan(book, profile, everything, mine, only, settings)


def _check_inputs(book: Book, profile: str, mine: list[Chapter], only: list[Chapter]) -> None:
    """Raise when a chapter needs an artefact that is not there and whose chapter is left out by ``--only``."""
    makers = {name: chapter.stem for chapter in mine for name in chapter.writes}
    running = {chapter.stem for chapter in only}
    for chapter in only:
        for name in sorted(chapter.needs & set(makers)):
            if makers[name] not in running and not (book.outputs / profile / ARTEFACTS[name].file).exists():
                raise UserError(
                    f"--only {chapter.stem}: it reads {name!r}, which is not there; run {makers[name]} first"
                )


def run(plan: Plan, force: bool = False) -> int:
    """Run what is stale; return how many chapters ran."""
    book, name, ran = plan.book, plan.profile.name, 0
    digests = Digests(book.state(name) / "digests.json")
    for number, chapter in enumerate(plan.chapters, 1):
        if chapter not in plan.only:
            continue
        settings = plan.settings[chapter.stem]
        source = staleness.made_from(book, chapter, settings, digests)
        then, outputs = staleness.noted(book, chapter.stem, name), staleness.made(book, chapter, name, digests)
        why = staleness.reason(then, source, outputs) or ("forced" if force else None)
        if why is None:
            continue
        place = f"[{number}/{len(plan.chapters)}] {chapter.stem}"
        print(f"{place}: running ({why})", flush=True)
        seconds = execute.execute(book, chapter, settings, place)
        staleness.note(book, chapter, name, source, staleness.made(book, chapter, name, digests))
        print(f"{place}: done in {seconds:.0f} s", flush=True)
        ran += 1
    digests.save()
    return ran


def examine(plan: Plan) -> Iterator[tuple[Chapter, str | None, list[str]]]:
    """Yield each chapter, why it is stale (None: fresh), and the chapters before it that may change its inputs."""
    book, name, pending = plan.book, plan.profile.name, {}
    digests = Digests(book.state(name) / "digests.json")
    for chapter in plan.only:
        source = staleness.made_from(book, chapter, plan.settings[chapter.stem], digests)
        outputs = staleness.made(book, chapter, name, digests)
        why = staleness.reason(staleness.noted(book, chapter.stem, name), source, outputs)
        waits = sorted({pending[name] for name in chapter.inputs if name in pending})
        if why or waits:
            pending |= dict.fromkeys(chapter.writes, chapter.stem)
        yield chapter, why, waits


def show(plan: Plan) -> None:
    """Print which chapters would run, and why."""
    for chapter, why, waits in examine(plan):
        unless = f", unless {', '.join(waits)} changes it" if waits else ""
        print(f"{chapter.stem}: " + (f"stale ({why})" if why else f"fresh{unless}"))


def _work(options: argparse.Namespace) -> None:
    book = Book.here()
    todo = plan(book, options)
    if options.dry:
        return show(todo)
    start, name = time.monotonic(), todo.profile.name
    with lock.hold(book.state(name) / "lock"), execute.environment(book, name):
        mine = book.outputs / name
        staleness.clear_leftovers(mine, mine / ".state", mine / "chapters", mine / "logs", book.build / name)
        ran = run(todo, options.force)
        built = False if options.no_pages else html.build(book, todo.profile, todo.everything, todo.settings)
    kept = f"{len(todo.only) - ran} of {len(todo.only)} chapters were fresh"
    if ran or built:
        print(f"profile {name}: ran {ran}, {kept}, in {time.monotonic() - start:.0f} s")
    else:
        print(f"profile {name}: nothing to do, {kept}" + ("" if options.no_pages else " and the pages are up to date"))
    if not options.no_pages:
        print(f"the book is at {html.index(book, name)}")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, 1 when a chapter failed, 2 for what the user can mend, 130 when interrupted."""
    options = parser().parse_args(arguments)
    try:
        _work(options)
    except ChapterFailed as error:
        print(f"helpers.run: {error}", file=sys.stderr)
        return 1
    except (UserError, OSError) as error:
        print(f"helpers.run: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("helpers.run: interrupted; finished chapters stay, and the next run goes on from there", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
