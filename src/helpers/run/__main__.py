"""Run the stale chapters of a profile, then build its pages: ``python -m helpers.run --profile demo``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Container, Iterator
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
    if not options.no_pages:
        stage.contents(book.root, {chapter.stem for chapter in mine})
    return Plan(book, profile, everything, mine, only, settings)


def check_inputs(plan: Plan, chapter: Chapter, digests: Digests, later: Container[str] = ()) -> None:
    """Raise unless each artefact that a chapter reads or looks for is what the chapter that makes it has noted.

    Parameters
    ----------
    plan : Plan
    chapter : Chapter
    digests : Digests
    later : container of str
        Stems of chapters that are to run before this one, and whose artefacts don't count yet.

    Raises
    ------
    UserError
        Names the artefact, what is wrong with it, and the way out.
    """
    book, profile = plan.book, plan.profile.name
    makers = {name: maker.stem for maker in plan.everything for name in maker.writes}
    mine, now = {maker.stem for maker in plan.chapters}, {maker.stem for maker in plan.only}
    for name in sorted(chapter.inputs):
        maker, path = makers.get(name, ARTEFACTS[name].made_by), book.outputs / profile / ARTEFACTS[name].file
        # what nobody in this profile makes may be missing: the chapter does without it, or says that it can't
        if maker in later or (maker not in mine and not path.exists()):
            continue
        found = staleness.difference(book, profile, name, maker, digests)
        if name in chapter.needs and not path.exists() and not staleness.noted(book, maker, profile):
            found = "nothing"
        if found is None:
            continue
        if maker in now:
            way = "something else changes this workspace; let it end, then run this again"
        elif maker in mine:
            way = f"make it again by --only {maker[:2]} {chapter.stem[:2]}, or leave --only out"
        else:
            way = f"profile {profile} does not run that chapter; add it to its chapters, or delete {path}"
        raise UserError(f"{chapter.stem}: expected {path.name} as {maker} made it, found {found}; {way}")


def _check_only(plan: Plan, digests: Digests) -> None:
    """Refuse inputs before anything runs: those that no chapter of this run makes."""
    for chapter in plan.only:
        check_inputs(plan, chapter, digests, {other.stem for other in plan.only})


def run(plan: Plan, force: bool = False) -> int:
    """Run what is stale; return how many chapters ran.

    Raises
    ------
    UserError
        An input of a chapter is not what its maker noted, before the chapter ran or after.
    ChapterFailed
        A chapter raised an error.
    """
    digests = Digests(plan.book.state(plan.profile.name) / "digests.json")
    try:
        _check_only(plan, digests)
        return sum(_run_one(plan, number, digests, force) for number in range(len(plan.chapters)))
    finally:
        digests.save()


def _run_one(plan: Plan, number: int, digests: Digests, force: bool) -> bool:
    """Run a chapter of the profile if it may run and is stale; say whether it ran."""
    book, name, chapter = plan.book, plan.profile.name, plan.chapters[number]
    if chapter not in plan.only:
        return False
    settings = plan.settings[chapter.stem]
    source = staleness.made_from(book, chapter, settings, digests)
    then, outputs = staleness.noted(book, chapter.stem, name), staleness.made(book, chapter, name, digests)
    why = staleness.reason(then, source, outputs) or ("forced" if force else None)
    if why is None:
        return False
    check_inputs(plan, chapter, digests)

    def still() -> None:
        for artefact, was in staleness.inputs(book, chapter, name, digests).items():
            if was != source["inputs"][artefact]:
                file = ARTEFACTS[artefact].file
                raise UserError(
                    f"{chapter.stem}: expected {file} to stay as it was while the chapter ran, found it altered; "
                    "nothing of this chapter is kept, run it again"
                )

    place = f"[{number + 1}/{len(plan.chapters)}] {chapter.stem}"
    print(f"{place}: running ({why})", flush=True)
    seconds = execute.execute(book, chapter, settings, place, still)
    staleness.note(book, chapter, name, source, staleness.made(book, chapter, name, digests))
    print(f"{place}: done in {seconds:.0f} s", flush=True)
    return True


def examine(plan: Plan) -> Iterator[tuple[Chapter, str | None, list[str]]]:
    """Yield each chapter, why it is stale (None: fresh), and the chapters before it that may change its inputs."""
    book, name, pending = plan.book, plan.profile.name, {}
    digests = Digests(book.state(name) / "digests.json")
    _check_only(plan, digests)
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
