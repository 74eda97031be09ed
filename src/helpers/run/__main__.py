"""Run the stale chapters of a profile, then build its pages: ``python -m helpers.run --profile demo``.

All that a chapter makes waits in a folder of its own until the chapter has ended well: one that fails in its last cell
leaves every artefact, and its page, as they were. What a chapter made is noted last of all, so that a run killed before
that moment, be it between two artefacts, counts as not having happened: the next run finds what is not as noted, and
makes it again. In an object store the note names what counts, so that not even a part of such a run is seen.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shutil
import sys
import time
import uuid
import warnings
from collections.abc import Container, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import filelock
import nbformat
import papermill
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError
from papermill.exceptions import PapermillExecutionError

from helpers import provenance, store, tasks, workspace
from helpers.provenance import Label
from helpers.run import chapters, cluster, pages, staleness
from helpers.run.chapters import Book, Chapter, ChapterFailed, Profile, Settings, UserError
from helpers.run.staleness import Digests


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str):
        """Print the message and leave with status 2."""
        self.exit(2, f"helpers.run: {message}; see --help\n")


class Once(argparse.Action):
    """Take an option's value, and refuse a second one."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: object, *_: object):
        """Set the value."""
        if self in (given := vars(namespace).setdefault("given", [])):
            raise argparse.ArgumentError(self, "given twice; keep one")
        given.append(self)
        setattr(namespace, self.dest, values)


def parser() -> Parser:
    """Describe the command line."""
    line = Parser(prog="python -m helpers.run", description="Run the stale chapters of a profile and build its pages.")
    line.add_argument(
        "--profile", action=Once, default="demo", help="a file of notebooks/profiles, without .yml (default: demo)"
    )
    line.add_argument(
        "--set", dest="overrides", action="extend", nargs="+", default=[], metavar="NAME=VALUE",
        help="a value for every chapter that has the parameter, or CHAPTER.NAME=VALUE for one",
    )  # fmt: skip
    line.add_argument(
        "--only", action="extend", nargs="+", default=[], metavar="CHAPTER", help="run only these chapters, such as 03"
    )
    line.add_argument("--force", action="store_true", help="run the chapters even where they are fresh")
    line.add_argument("--list", "--dry-run", dest="dry", action="store_true", help="say what would run, and why")
    line.add_argument(
        "--at-once", action=Once, type=int, choices=range(1, 9), default=min(2, tasks.cores()), metavar="N",
        help="how many chapters run side by side, where none reads what another is still to make; each takes memory of "
        "its own (default: 2, or 1 on one core)",
    )  # fmt: skip
    line.add_argument(
        "--verify", action="store_true", help="run nothing, read all that was made, and name what isn't as it was made"
    )
    line.add_argument("--no-pages", action="store_true", help="leave the HTML pages as they are")
    return line


@dataclass
class Plan:
    """What a run is to do.

    Parameters
    ----------
    book : Book
    profile : Profile
    everything, chapters, only : list of Chapter
        All that there are; those of the profile; those that may run this time. In reading order.
    settings : dict
        `Settings` by stem.
    scheduler : str
        Where the work is done; see `helpers.run.cluster`.
    at_once : int
        How many chapters may run side by side.
    """

    book: Book
    profile: Profile
    everything: list[Chapter]
    chapters: list[Chapter]
    only: list[Chapter]
    settings: dict[str, Settings]
    scheduler: str = ""
    at_once: int = 1


def plan(book: Book, options: argparse.Namespace) -> Plan:
    """Check everything that can be checked before a chapter runs."""
    profile = chapters.load(book, options.profile)
    everything = chapters.discover(book.notebooks)
    scheduler, overrides = chapters.scheduler(profile, options.overrides)
    settings = chapters.settings(profile, everything, overrides, book.root)
    mine = [chapter for chapter in profile.among(everything) if chapter.stem in settings]
    only = chapters.choose(mine, options.only, f"--only, profile {profile.name}") if options.only else mine
    chapters.check_relations(profile, only, settings)
    chapters.check_outside(profile, only, settings)
    if not options.no_pages:
        pages.contents(book.root, {chapter.stem for chapter in mine})
    return Plan(book, profile, everything, mine, only, settings, scheduler, options.at_once)


def check_inputs(plan: Plan, chapter: Chapter, digests: Digests, later: Container[str] = ()) -> None:
    """Raise UserError unless each artefact that a chapter reads or looks for is what its maker has noted.

    What chapters of the stems ``later`` make, which are to run before this one, doesn't count yet.
    """
    book, profile = plan.book, plan.profile.name
    mine, now = {maker.stem for maker in plan.chapters}, {maker.stem for maker in plan.only}
    for name in sorted(chapter.inputs):
        maker, path = book.artefacts[name].made_by, book.artefact(profile, name)
        # what nobody in this profile makes may be missing: the chapter does without it, or says that it can't
        if maker in later or (maker not in mine and not path.exists()):
            continue
        found = staleness.difference(book, profile, name, maker, digests)
        if name in chapter.reads and not path.exists() and not staleness.read_record(book, maker, profile):
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


def judged(plan: Plan, chapter: Chapter, digests: Digests) -> tuple[str | None, dict]:
    """Return why a chapter is stale (None: fresh), and what it would be made from now."""
    source = staleness.fingerprint(plan.book, chapter, plan.settings[chapter.stem], digests)
    outputs = staleness.outputs(plan.book, chapter, plan.profile.name, digests)
    return staleness.changes(staleness.read_record(plan.book, chapter.stem, plan.profile.name), source, outputs), source


def check_all(plan: Plan, digests: Digests) -> None:
    """Check the inputs of each chapter that may run, those apart that are to be made before."""
    for chapter in plan.only:
        check_inputs(plan, chapter, digests, {other.stem for other in plan.only})


def examine(plan: Plan) -> Iterator[tuple[Chapter, str | None]]:
    """Yield each chapter that may run, and why it is stale as things are now (None: fresh)."""
    digests = Digests(plan.book.state(plan.profile.name) / "digests.json")
    check_all(plan, digests)
    for chapter in plan.only:
        yield chapter, judged(plan, chapter, digests)[0]


@dataclass
class Running:
    """A chapter that runs: why, what it is made from, where what it makes waits, its kernel, and since when."""

    chapter: Chapter
    place: str
    source: dict
    stage: Path
    page: Path
    log: Path
    version: str
    stack: ExitStack
    kernels: list[AsyncKernelManager]
    start: float


def run(plan: Plan, force: bool = False) -> int:
    """Run what is stale, or all if ``force``; return how many chapters ran.

    As many as `Plan.at_once` run side by side, in reading order, as soon as all that they read has been made. Kernels
    are waited for in threads; all else, from a look at what is stale to putting things in place, happens in this one.
    """
    digests, ran, failed = Digests(plan.book.state(plan.profile.name) / "digests.json"), 0, None
    provenance.commit(plan.book.root)  # remembered: what is committed while chapters run isn't what they run
    waiting, running = list(plan.only), {}
    with ExitStack() as stack:
        stack.callback(digests.save)
        stack.enter_context(_quiet())
        check_all(plan, digests)
        pool = stack.enter_context(ThreadPoolExecutor(plan.at_once))
        stack.callback(_stop, running)
        while waiting or running:
            try:
                while len(running) < plan.at_once and (chapter := _ready(waiting, running.values())):
                    waiting.remove(chapter)
                    why, source = judged(plan, chapter, digests)
                    if not (why := why or ("forced" if force else None)):
                        continue
                    if not (ran or running):  # a queue is asked for jobs, and torch for a GPU, only if there is work
                        if not plan.scheduler:  # else the workers may have one
                            chapters.check_devices([chapter, *waiting], plan.settings)
                        stack.enter_context(cluster.at_work(plan.scheduler, plan.book.folder(plan.profile.name)))
                    check_inputs(plan, chapter, digests)
                    one = _begun(plan, chapter, source, why)
                    running[pool.submit(_papermill, plan.book, one, plan.settings[chapter.stem])] = one
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    with (one := running.pop(future)).stack:
                        _ended(plan, one, future, digests)
                        ran += 1
            except (ChapterFailed, UserError) as error:  # nothing new begins; what runs goes on to its end, and is kept
                waiting.clear()
                if running:
                    beside = ", ".join(other.chapter.stem for other in running.values())
                    print(f"a chapter failed, see below; first {beside} goes on to its end", flush=True)
                failed = failed or error
    if failed:
        raise failed
    return ran


def _ready(waiting: list[Chapter], running: Iterable[Running]) -> Chapter | None:
    """Return the first chapter, in reading order, that reads nothing of what others are still to make."""
    pending = {name for one in running for name in one.chapter.writes}
    for chapter in waiting:
        if not pending & set(chapter.inputs):
            return chapter
        pending |= set(chapter.writes)
    return None


def _begun(plan: Plan, chapter: Chapter, source: dict, why: str) -> Running:
    """Make the places where what a chapter makes will wait."""
    profile, stack = plan.profile.name, ExitStack()
    place = f"[{plan.chapters.index(chapter) + 1}/{len(plan.chapters)}] {chapter.stem}"
    print(f"{place}: running ({why})", flush=True)
    log = plan.book.log(profile, chapter.stem)
    stage = plan.book.folder(profile) / f".{chapter.stem}.{uuid.uuid4().hex[:8]}.part"
    log.unlink(missing_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    stage.mkdir()
    # a kernel that outlives an interrupt for a moment may still be writing there: the next run clears the rest
    stack.callback(shutil.rmtree, stage, ignore_errors=True)
    page = stack.enter_context(workspace.aside(stage.with_suffix(".ipynb.part")))
    return Running(
        chapter, place, source, stage, page, log, store.new_version("run"), stack, [], time.monotonic()
    )  # fmt: skip


def _ended(plan: Plan, one: Running, future: Future, digests: Digests) -> None:
    """Label what a chapter has made, and put it in place; raise ChapterFailed or UserError, and keep nothing of it."""
    book, chapter, name = plan.book, one.chapter, plan.profile.name
    try:
        future.result()
    except (PapermillExecutionError, CellTimeoutError, RuntimeError) as error:
        # a kernel that dies is a DeadKernelError, which is a RuntimeError; one that never started, a plain one
        raise ChapterFailed(_report(error, chapter, plan.settings[chapter.stem], one.log)) from error
    for artefact, was in staleness.inputs(book, chapter, name, digests).items():
        if was != one.source["inputs"][artefact]:
            raise UserError(
                f"{chapter.stem}: expected {book.artefact(name, artefact).name} to stay as it was while "
                "the chapter ran, found it altered; nothing of this chapter is kept, run it again"
            )
    with workspace.room_for(one.stage):
        about = _labelled(book, chapter, label_of(plan, chapter, one.stage), digests, one.stage, one.page, one.version)
    _keep(book, chapter, name, one.source, digests, one.stage, one.page, one.version, about)
    one.log.unlink(missing_ok=True)
    print(f"{one.place}: done in {time.monotonic() - one.start:.0f} s", flush=True)


def _stop(running: dict[Future, Running]) -> None:
    """End the kernels that still run, with all that they have started, and clear what they have made."""
    for one in running.values():
        for kernel in one.kernels:
            if kernel.provisioner is not None:
                asyncio.run(kernel.provisioner.kill())
    wait(running)
    for one in running.values():
        one.stack.close()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Papermill's own words back: what it would say stands in the error that it raises."""
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():  # here and not around each chapter: threads share the filters
        warnings.filterwarnings("ignore", message=".* does not end in one of .*")
        yield


def label_of(plan: Plan, chapter: Chapter, stage: Path) -> Label:
    """Return the label of what a chapter has made: a made planet's, where chapter 1 left the truth of one."""
    book, profile, settings = plan.book, plan.profile, plan.settings[chapter.stem]
    if "truth" in chapter.writes:  # not in place yet
        made = (stage / book.artefacts["truth"].file).exists()
        world = chapter.of or (provenance.MADE if made else provenance.REAL)
    else:
        world = chapter.of or pages.world(book, profile.name, plan.settings)
    changed = pages.changed(book, chapter.stem, plan.settings)
    told = profile.description, settings.values.get("seed"), changed
    return Label(profile.name, world, chapter.stem, *told, *provenance.commit(book.root))


def _labelled(
    book: Book, chapter: Chapter, label: Label, digests: Digests, stage: Path, page: Path, version: str
) -> dict[str, dict]:
    """Label what a chapter has made and its executed notebook; return the label, and each artefact's hash before it."""
    there, content = book.store(label.profile), {}
    for name in sorted(chapter.writes):
        artefact, place = book.artefacts[name], stage / book.artefacts[name].file
        if place.exists():
            if there and place.suffix == ".zarr":
                stored = store.Stored(there, chapter.stem, artefact.file, version)
                content[name], place = stored.digest(), stored.zarr()
            else:
                content[name] = digests.of(place)
            columns = workspace.columns(name, book.notebooks)
            provenance.put(label, artefact.what, place, artefact.file, columns)
    pages.label(page, label)
    return {"content": content, "label": label.noted()}


def _keep(
    book: Book, chapter: Chapter, profile: str, source: dict, digests: Digests, stage: Path, page: Path, version: str,
    about: dict[str, dict],
) -> None:  # fmt: skip
    """Put what a chapter made, and its executed notebook, in place; note that last of all, with its ``source``."""
    files = {name: book.artefacts[name].file for name in sorted(chapter.writes)}
    if there := book.store(profile):
        waits = {name: (file, stage / file) for name, file in files.items() if (stage / file).exists()}
        beside = [provenance.sidecar(stage / file) for file in files.values()]
        waits |= {path.name: (path.name, path) for path in beside if path.exists()}
        waits["page"] = f"{chapter.stem}.ipynb", page
        put = {name: there.put(chapter.stem, version, *each) for name, each in waits.items()}
        made = {name: put[name].digest() if name in put else None for name in staleness.places(book, chapter, profile)}
        stands = {each.file: version for each in put.values()}
        there.point(chapter.stem, {"made_from": source, "made": made, "stands": stands, **about})
        return
    for file in files.values():
        for place in (stage / file, provenance.sidecar(stage / file)):
            target = book.folder(profile) / place.name
            if place.exists():
                workspace.replace(place, target)
                digests.moved(place, target)
            else:  # what only an earlier run made goes, so that nothing old stays
                workspace.remove(target)
    executed = book.executed(profile, chapter.stem)
    executed.parent.mkdir(parents=True, exist_ok=True)
    workspace.replace(page, executed)
    made = staleness.outputs(book, chapter, profile, digests)
    places = staleness.places(book, chapter, profile)
    about[workspace.FILES] = {name: digests.note(place) for name, place in places.items()}
    staleness.write_record(book, chapter, profile, source, made, about)


def _papermill(book: Book, one: Running, settings: Settings) -> None:
    """Execute a chapter: its artefacts go to its stage, or as a version to a store, its notebook to its page."""
    chapter = one.chapter
    more = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    environment = {
        "RECO_OUTPUTS": str(book.outputs),
        "RECO_CACHE": str(store.cache()),
        workspace.HERE: os.pathsep.join(map(os.path.abspath, ["", *filter(None, more)])),
        # a kernel whose runner was killed must not write any more: see workspace.writing
        workspace.RUNNER: str(os.getpid()),
        workspace.STAGE: str(one.stage),
        workspace.VERSION: one.version,
        workspace.READS: " ".join(sorted(chapter.inputs)),
        workspace.WRITES: " ".join(sorted(chapter.writes)),
        "IPYTHONDIR": str(book.state(settings.values["profile"]) / "ipython"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PYTHONHASHSEED": "0",
        # a thread that waits gives its core away; spinning trebles the time of training on a machine that is shared
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
    }

    class Kernels(AsyncKernelManager):
        """Start kernels that say to the log what they say outside of all cells, as ZeroMQ does of one that dies."""

        async def start_kernel(self, **how: object) -> None:
            one.kernels.append(self)
            with one.log.open("ab") as said:
                await super().start_kernel(stderr=said, env=os.environ | environment, **how)

    # from a copy of what was read at the start: the file itself may be edited while the chapters before it run
    source = one.page.with_name(one.page.name.removesuffix(".part") + ".source.part")
    with workspace.room_for(one.page), workspace.aside(source):
        nbformat.write(chapter.notebook, source)
        papermill.execute_notebook(
            str(source),
            str(one.page),
            parameters=settings.changed,
            kernel_name="python3",
            cwd=str(book.notebooks),
            request_save_on_cell_execute=False,  # twice a cell, all figures so far: a second or two a chapter
            extra_arguments=["--IPKernelApp.log_level=50"],
            kernel_manager_class=Kernels,
            progress_bar={"desc": one.place, "leave": False, "disable": not sys.stderr.isatty()},
        )


def _report(error: Exception, chapter: Chapter, settings: Settings, log: Path) -> str:
    """Write the traceback to the log; return one line that names the chapter, the cell and the error."""
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{error}\n")
    if not isinstance(error, PapermillExecutionError):
        cause = (str(error).splitlines() or [type(error).__name__])[0]
        return f"{chapter.stem}: the kernel stopped ({cause}); was there enough memory? The log is {log}"
    tags = [cell.metadata.get("tags", []) for cell in chapter.notebook.cells]
    at = next((i for i, names in enumerate(tags) if "parameters" in names), -1)
    # numbered as in the source, from 1: Papermill adds a cell of values after the parameters
    number = error.cell_index + (0 if settings.changed and error.cell_index > at else 1)
    code = [line for line in error.source.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    first = code[0].strip() if code else ""
    value = next((line for line in str(error.evalue).splitlines() if line.strip()), "")
    return f"{chapter.stem}: cell {number} ({first:.60}): {error.ename}: {value} (traceback in {log})"


def show(plan: Plan) -> None:
    """Print which chapters would run, and why; and which only if others change their inputs."""
    pending: dict[str, str] = {}
    for chapter, why in examine(plan):
        waits = sorted({pending[name] for name in chapter.inputs if name in pending})
        if why or waits:
            pending |= dict.fromkeys(chapter.writes, chapter.stem)
        unless = f", unless {', '.join(waits)} changes it" if waits else ""
        print(f"{chapter.stem}: " + (f"stale ({why})" if why else f"fresh{unless}"))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a profile; the system lets it go when the process ends, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    lock, holder = folder / "lock", folder / "holder"
    try:
        with workspace.locked(lock):
            holder.unlink(missing_ok=True)  # were it a link, another file would be written
            with workspace.room_for(holder):
                holder.write_text(str(os.getpid()))
            yield
    except filelock.Timeout as error:
        number = holder.read_bytes()[:20].decode(errors="replace") if holder.is_file() else "unknown"
        raise UserError(f"{lock}: process {number} is running this profile; wait until it ends, or stop it") from error


def verify(plan: Plan) -> None:
    """Read all that the chapters of a profile have made; print a line for each file that isn't as it was made.

    Raises UserError where there is one.
    """
    book, name, count = plan.book, plan.profile.name, 0
    for chapter in plan.everything:
        for line in staleness.altered(book, chapter, name):
            print(workspace.one_line(line), flush=True)
            count += 1
    if count:
        raise UserError(f"{count} of the files of profile {name} are not as they were made; a run makes them again")
    print(f"profile {name}: all that was made is as it was made")


def _run_book(options: argparse.Namespace) -> None:
    book = Book.here()
    there = book.store(options.profile)
    if there:
        there.check()
    todo = plan(book, options)
    if options.dry:
        return show(todo)
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # the kernel of this environment, whatever the user has elsewhere
    start, name = time.monotonic(), todo.profile.name
    # who reads on a disk that can't be written to can make no lock there, and needs none
    free = options.verify and book.state(name).is_dir() and not os.access(book.state(name), os.W_OK)
    with nullcontext() if free else _locked(book.state(name)), there.lease() if there else nullcontext():
        if options.verify:
            return verify(todo)
        mine = book.folder(name)
        staleness.clear_leftovers(mine, mine / ".state", mine / "chapters", mine / "logs", book.build / name)
        if there:
            there.clear()
        ran = run(todo, options.force)
        built = False if options.no_pages else pages.build(book, todo.profile, todo.everything, todo.settings)
    fresh = f"{len(todo.only) - ran} of {len(todo.only)} chapters were fresh"
    if ran or built:
        print(f"profile {name}: ran {ran}, {fresh}, in {time.monotonic() - start:.0f} s")
    else:
        print(f"profile {name}: nothing to do, {fresh}" + ("" if options.no_pages else " and the pages are up to date"))
    if not options.no_pages:
        print(f"the book is at {pages.index(book, name)}")


@workspace.command("helpers.run")
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, 1 when a chapter failed, 2 for what the user can mend, 130 when interrupted."""
    options = parser().parse_args(arguments)
    try:
        _run_book(options)
    except ChapterFailed as error:
        print(f"helpers.run: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("helpers.run: interrupted; finished chapters stay, and the next run goes on from there", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
