"""What there is to run, and with which values: chapters, what they declare, their parameters, and profiles.

``notebooks/chapters.yml`` declares what each chapter reads, writes and needs. A value of a parameter has four layers,
each over the one before: the notebook's own default, the profile's ``common:``, its section for the chapter, and
``--set`` on the command line. Every name, type and range is checked before anything runs.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat
import papermill
import yaml
from IPython.core.inputtransformer2 import TransformerManager

from helpers import ranges, store, strict, tasks, workspace
from helpers.ranges import TYPES, VARIABLE, Parameter
from helpers.run import cluster
from helpers.workspace import UserError

CHAPTER = re.compile(r"\d\d_\w+")


class ChapterFailed(UserError):
    """A chapter raised an error while it ran."""


@dataclass(frozen=True)
class Book:
    """The folders of one book.

    Parameters
    ----------
    root : Path
        The repository: ``notebooks/``, ``book/``, ``data/``, ``src/helpers/`` stand here.
    outputs : Path or str
        One workspace a profile: in a folder, or below an address of an object store.
    build : Path
        One set of pages a profile.
    """

    root: Path
    outputs: Path | str
    build: Path

    @classmethod
    def here(cls) -> Book:
        """Return this repository's book; ``RECO_OUTPUTS`` and ``RECO_BUILD`` send what it makes elsewhere."""
        build = Path(os.environ.get("RECO_BUILD") or workspace.ROOT / "_build")
        outputs = workspace.outputs_root()
        return cls(workspace.ROOT, outputs if store.is_address(outputs) else outputs.resolve(), build.resolve())

    @property
    def notebooks(self) -> Path:
        """Folder of the chapters' sources."""
        return self.root / "notebooks"

    @property
    def artefacts(self) -> dict[str, workspace.Artefact]:
        """All that chapters pass on, by name."""
        return workspace.artefacts(self.notebooks)

    def store(self, profile: str) -> store.Store | None:
        """Return the object store of a profile's artefacts; None where they are in a folder."""
        return store.at(self.outputs, profile) if store.is_address(self.outputs) else None

    def folder(self, profile: str) -> Path:
        """Folder on this machine: of the workspace, or, where that is in a store, of copies, logs and what waits."""
        there = self.store(profile)
        return there.folder if there else self.outputs / profile

    def state(self, profile: str) -> Path:
        """Folder where the runner notes what each chapter of a profile was made from; a store's pointers do it too."""
        return self.folder(profile) / workspace.NOTES

    def executed(self, profile: str, stem: str) -> Path | store.Stored:
        """Where an executed chapter stands."""
        there = self.store(profile)
        return there.stored(stem, f"{stem}.ipynb") if there else self.outputs / profile / "chapters" / f"{stem}.ipynb"

    def log(self, profile: str, stem: str) -> Path:
        """Path of the log of a chapter that failed."""
        return self.folder(profile) / "logs" / f"{stem}.log"

    def artefact(self, profile: str, name: str) -> Path | store.Stored:
        """Where an artefact stands that is in place."""
        return workspace.place(self.outputs, profile, self.artefacts[name].made_by, self.artefacts[name].file)


@dataclass(frozen=True)
class Chapter:
    """One notebook, and what ``chapters.yml`` declares of it.

    Parameters
    ----------
    path : Path
        The source notebook, outputs stripped.
    reads, reads_if_there, writes : frozenset of str
        Artefacts: taken from other chapters; taken where they have been made; made.
    paths : mapping of str to str
        Parameters that are paths outside the book: each a "file", a "folder" or, as ``module:name``, a "module". Empty
        means that it is not used.
    needs : tuple of str
        Those of them that the chapter can't run without.
    of : str
        What planet it is about where that doesn't go by the profile; empty where it does.
    relations : tuple of str
        What must hold between its parameters; see `helpers.ranges.Relation`.
    """

    path: Path
    reads: frozenset[str] = frozenset()
    reads_if_there: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    paths: Mapping[str, str] = field(default_factory=dict, hash=False)
    needs: tuple[str, ...] = ()
    of: str = ""
    relations: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """Name without folder and suffix, such as ``03_cnn_ablation``."""
        return self.path.stem

    @property
    def inputs(self) -> frozenset[str]:
        """Artefacts of other chapters that this one reads, or looks for."""
        return self.reads | self.reads_if_there

    @cached_property
    def notebook(self) -> nbformat.NotebookNode:
        """The parsed notebook."""
        try:
            return nbformat.read(self.path, as_version=4)
        except (ValueError, OSError, nbformat.reader.NotJSONError) as error:
            raise UserError(
                f"{self.path}: expected a Jupyter notebook, cannot read it ({error!s:.200}); restore it"
            ) from error

    @property
    def code(self) -> list[nbformat.NotebookNode]:
        """The code cells."""
        return [cell for cell in self.notebook.cells if cell.cell_type == "code"]

    @cached_property
    def trees(self) -> list[ast.Module]:
        """Syntax tree of each code cell, magics and all."""
        found = []
        for number, cell in enumerate(self.code, 1):
            try:
                found.append(ast.parse(TransformerManager().transform_cell(cell.source)))
            except SyntaxError as error:
                place = f"{self.path}: code cell {number}"
                raise UserError(
                    f"{place}: expected Python, found {error.msg} in line {error.lineno}; correct it"
                ) from error
        return found

    @property
    def title(self) -> str:
        """The first heading, or the stem where there is none."""
        words = "\n".join(cell.source for cell in self.notebook.cells if cell.cell_type == "markdown")
        heading = re.search(r"^# +(.+)$", words, re.MULTILINE)
        return heading[1].strip() if heading else self.stem

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """The parameters by name, as Papermill infers them.

        Raises
        ------
        UserError
            A line is hidden from Papermill, a type is none of `TYPES`, a comment has no range (see `ranges`), or a
            default is no literal within it.
        """
        try:
            seen = papermill.inspect_notebook(self.path)
        except ValueError as error:
            raise UserError(
                f"{self.path}: Papermill cannot read its parameters ({error}); save it from Jupyter"
            ) from error
        cells = zip(self.code, self.trees, strict=True)
        lines = [line for cell, tree in cells if "parameters" in cell.metadata.get("tags", []) for line in tree.body]
        targets = [t for line in lines for t in getattr(line, "targets", [getattr(line, "target", None)])]
        hidden = {target.id for target in targets if isinstance(target, ast.Name)} - set(seen)
        for name in hidden:
            raise UserError(
                f"{self.path}: parameter {name}: expected one line 'name: type = value  # help' with one '=', found "
                "something that Papermill cannot read; rewrite it"
            )
        found = {}
        for name, line in seen.items():
            kind, place = line["inferred_type_name"], f"{self.path}: parameter {name}"
            if kind not in TYPES:
                raise UserError(
                    f"{place}: expected a type among {', '.join(TYPES)}, found {kind}; annotate it with one"
                )
            try:
                default = ast.literal_eval(line["default"])
            except (ValueError, SyntaxError) as error:
                raise UserError(f"{place}: expected a literal, found {line['default']}; write the value out") from error
            try:
                allowed = ranges.read(line["help"], kind)
            except ranges.NoRange as error:
                raise UserError(
                    f"{place}: expected a comment that ends in one range for {kind}, as CONTRIBUTING.md has it under A "
                    f"choice, found {line['help']!r}; write it so"
                ) from error
            parameter = Parameter(name, kind, default, line["help"], allowed)
            found[name] = replace(parameter, default=parameter.checked(default, place))
        return found


def discover(folder: Path) -> list[Chapter]:
    """Return the chapters of a folder in reading order: notebooks whose name begins with two digits.

    Raises
    ------
    UserError
        A chapter is not declared in ``chapters.yml``, or a declared one is not there.
    """
    found = [path for path in sorted(folder.glob("*.ipynb")) if CHAPTER.fullmatch(path.stem)]
    if not found:
        raise UserError(f"{folder}: expected notebooks named like 01_data_preparation.ipynb, found none; restore them")
    declared = workspace.declarations(folder)
    for stem in sorted({path.stem for path in found} ^ set(declared)):
        here, there = ("no entry", "write one") if stem not in declared else ("no such notebook", "drop the entry")
        raise UserError(f"{folder / workspace.DECLARED}: {stem}: found {here}; {there}")
    chapters = []
    for path in found:
        entry = declared[path.stem]
        artefacts = (frozenset(entry.get(key, ())) for key in ("reads", "reads_if_there", "writes"))
        needs, relations = (tuple(entry.get(key, ())) for key in ("needs", "relations"))
        chapters.append(Chapter(path, *artefacts, entry.get("paths", {}), needs, entry.get("of", ""), relations))
    return chapters


def choose(chapters: list[Chapter], wanted: list[str], asker: str) -> list[Chapter]:
    """Pick chapters by stem (``03_cnn_ablation``) or number (``03``), in reading order.

    Raises
    ------
    UserError
        One of ``wanted`` is not there; ``asker`` says who asks for it.
    """
    picked = set()
    for name in wanted:
        matches = [c.stem for c in chapters if c.stem == str(name) or c.stem[:2] == str(name).zfill(2)]
        if not matches:
            known = ", ".join(c.stem for c in chapters)
            raise UserError(f"{asker}: there is no chapter {name!r}; the chapters are {known}")
        picked.update(matches)
    return [chapter for chapter in chapters if chapter.stem in picked]


@dataclass(frozen=True)
class Profile:
    """A profile as its file has it: values for all chapters, for one by its stem; and which run (None: all).

    ``scheduler`` is the runner's own parameter, see `helpers.run.cluster`.
    """

    name: str
    path: Path
    common: dict[str, Any]
    sections: dict[str, dict[str, Any]]
    chapters: list[str] | None
    scheduler: str = ""
    description: str = ""

    def among(self, chapters: list[Chapter]) -> list[Chapter]:
        """Return the chapters that the profile runs, in reading order."""
        return chapters if self.chapters is None else choose(chapters, self.chapters, f"{self.path}: chapters")


@dataclass(frozen=True)
class Settings:
    """What one chapter is run with.

    Parameters
    ----------
    values : dict
        Every parameter, expanded and typed.
    shown : dict
        The same as the profile has them, before ``${VARIABLES}`` are filled in: what a page may show.
    changed : dict
        The values that differ from the notebook's own, as ``values`` has them.
    outside : dict
        The files and folders outside the book that the chapter uses, by parameter.
    lacking : tuple of str
        Those that it can't run without and that nobody has given.
    """

    values: dict[str, Any]
    shown: dict[str, Any]
    changed: dict[str, Any]
    outside: dict[str, Path]
    lacking: tuple[str, ...]

    @property
    def told(self) -> dict[str, Any]:
        """The same as a page may show them, without the profile's name."""
        return {name: self.shown[name] for name in self.changed if name != "profile"}


def load(book: Book, name: str) -> Profile:
    """Read ``notebooks/profiles/<name>.yml``."""
    folder = book.notebooks / "profiles"
    path = folder / f"{name}.yml"
    known = sorted(p.stem for p in folder.glob("*.yml"))
    if name not in known:
        known = ", ".join(known) or "none"
        raise UserError(f"--profile: there is no profile {name!r} in {folder}; the profiles are {known}")
    try:
        content = strict.read(path)
    except (yaml.YAMLError, ValueError, OSError) as error:
        raise UserError(f"{path}: expected YAML, found {' '.join(str(error).split())}; correct it") from error
    content = {} if content is None else content  # a file with comments alone
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected names and values, found {type(content).__name__}; correct it")
    if content.get("chapters") == []:
        raise UserError(f"{path}: chapters: expected at least one, found none; name some, or leave the line out")
    for key, value in content.items():
        kind = {"description": str, "chapters": list, cluster.NAME: str}.get(key, dict)
        if value is not None and not isinstance(value, kind):
            found = type(value).__name__
            raise UserError(f"{path}: {key}: expected {kind.__name__}, found {found} {value!r}; correct it")
    reserved = ("description", "common", "chapters", cluster.NAME)
    sections = {key: value or {} for key, value in content.items() if key not in reserved}
    common = dict(content.get("common") or {})
    where = common.pop(cluster.NAME, None) or content.get(cluster.NAME) or ""
    if not isinstance(where, str):
        raise UserError(f"{path}: {cluster.NAME}: expected str, found {ranges.shown(where)}; correct it")
    where = _expand(where, f"{path}: {cluster.NAME}")
    if where and "://" not in where:
        where = str(_path(where, book.root, f"{path}: {cluster.NAME}").resolve())
    description = " ".join((content.get("description") or "").split())
    return Profile(name, path, common, sections, content.get("chapters"), where, description)


def scheduler(profile: Profile, overrides: list[str]) -> tuple[str, list[str]]:
    """Return where the work is done, by the command line, the profile or the environment, and the other overrides.

    A path on the command line is relative to where one stands, one in a profile to the repository.
    """
    own = [text for text in overrides if text.partition("=")[0].strip() == cluster.NAME]
    where = profile.scheduler or os.environ.get(tasks.SCHEDULER, "")
    if len(own) > 1:
        raise UserError(f"--set {own[1]}: {cluster.NAME} is given twice; keep one")
    for text in own:
        _, equals, where = text.partition("=")
        if not equals:
            raise UserError(f"--set {text}: expected {cluster.NAME}=tcp://host:port, found no '='; correct it")
        if where and "://" not in where:
            where = str(_path(where, Path.cwd(), cluster.NAME))
    cluster.check(where)
    return where, [text for text in overrides if text not in own]


def settings(profile: Profile, chapters: list[Chapter], overrides: list[str], root: Path) -> dict[str, Settings]:
    """Resolve the values of every chapter that the profile runs.

    Parameters
    ----------
    profile : Profile
    chapters : list of Chapter
        All there are, also those that the profile does not run: a section for one of them is checked too.
    overrides : list of str
        ``name=value`` or ``chapter.name=value``, from the command line.
    root : Path
        What relative paths in the profile are relative to; those on the command line are relative to where one stands.

    Returns
    -------
    dict
        `Settings` by stem. A profile without a list of chapters does not run those that lack a path they need.

    Raises
    ------
    UserError
        For a name that no chapter has, a value of the wrong type or out of its range, an unset variable.
    """
    known = {chapter.stem: chapter.parameters for chapter in chapters}
    _check_names(profile, known)
    running = {chapter.stem: chapter for chapter in profile.among(chapters)}
    layers: dict[str, dict[str, Any]] = {}
    for stem in running:
        common = {name: value for name, value in profile.common.items() if name in known[stem]}
        layers[stem] = {"profile": profile.name} | common | profile.sections.get(stem, {})
    given: set[tuple[str, str]] = set()
    for text in sorted(overrides, key=lambda text: "." in text.partition("=")[0]):  # for all chapters, then for one
        _override(layers, running, text, given)
    resolved = {stem: _resolve(profile, chapter, layers[stem], root) for stem, chapter in running.items()}
    return {stem: one for stem, one in resolved.items() if profile.chapters is not None or not one.lacking}


def _unknown(name: str, known: set[str], place: str) -> UserError:
    """Make the error for a name that no chapter has, with the nearest that exists."""
    near = difflib.get_close_matches(str(name), sorted(known), n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known)) or 'none'}"
    return UserError(f"{place}: there is no parameter {name!r}; {hint}")


def _check_names(profile: Profile, known: dict[str, dict[str, Parameter]]) -> None:
    everywhere = {name for names in known.values() for name in names} - {"profile"}
    for name in profile.common:
        if name not in everywhere:
            raise _unknown(name, everywhere, f"{profile.path}: common")
    for stem, section in profile.sections.items():
        if stem not in known:
            raise UserError(f"{profile.path}: there is no chapter {stem!r}; the chapters are {', '.join(known)}")
        for name, value in section.items():
            if name not in known[stem] or name == "profile":
                raise _unknown(name, set(known[stem]) - {"profile"}, f"{profile.path}: {stem}")
            known[stem][name].checked(value, f"{profile.path}: {stem}.{name}")


def _override(layers: dict[str, dict], running: dict[str, Chapter], text: str, given: set[tuple[str, str]]) -> None:
    """Put a value of the command line into the layers of the chapters that it is for; note that it was ``given``."""
    target, equals, value = text.partition("=")
    place = f"--set {text if text.isprintable() and len(text) <= 200 else ranges.shown(text)}"
    if not equals:
        raise UserError(f"{place}: expected name=value, found no '='; write it as --set seed=7")
    number, _, name = target.rpartition(".")
    stems = [s for s in running if not number or number in (s, s[:2])]
    if not stems:
        raise UserError(f"{place}: there is no chapter {number!r} in this run; it runs {', '.join(running)}")
    if name == "profile":
        raise UserError(f"{place}: the profile is chosen by --profile {value}; use that")
    having = [stem for stem in stems if name in running[stem].parameters]
    if not having:
        raise _unknown(name, {n for stem in stems for n in running[stem].parameters}, place)
    key = (stems[0] if number else "", name)
    if key in given:
        raise UserError(f"{place}: {target} is given twice; keep one")
    given.add(key)
    for stem in having:
        chapter, parameter, read = running[stem], running[stem].parameters[name], value
        if parameter.type != "str":
            try:
                read = strict.load(value)
            except (yaml.YAMLError, ValueError) as error:  # a date that is none is a ValueError
                found = " ".join(str(error).split())
                raise UserError(
                    f"{place}: expected {parameter.expected}, found {found:.100}; write it as YAML, like [1, 2]"
                ) from error
        read = parameter.checked(read, f"{place}: {stem}.{name}")
        if chapter.paths.get(name, "module") != "module" and read and not VARIABLE.match(read):
            read = str(_path(read, Path.cwd(), place))
        layers[stem][name] = read


def _resolve(profile: Profile, chapter: Chapter, layer: dict[str, Any], root: Path) -> Settings:
    known, stem = chapter.parameters, chapter.stem
    if "profile" not in known:
        raise UserError(f"{stem}: the parameters cell has no 'profile'; its first line must be profile: str = \"demo\"")
    for name in {*chapter.paths, *chapter.needs}:
        if name not in known or name not in chapter.paths:
            found = "no such parameter" if name not in known else "it under needs alone"
            raise UserError(f"{chapter.path.with_name(workspace.DECLARED)}: {stem}: paths: {name}: found {found}")
    defaults = {name: parameter.default for name, parameter in known.items()}
    place = f"{profile.path}: {stem}"
    shown = {name: known[name].checked(value, f"{place}.{name}") for name, value in (defaults | layer).items()}
    values = {name: _expand(value, f"{place}.{name}") for name, value in shown.items()}
    for name, value in values.items():
        if value != shown[name]:
            known[name].checked(value, f"{place}.{name}")
    given = {name: kind for name, kind in chapter.paths.items() if values[name]}
    paths = [name for name in given if given[name] != "module"]
    outside = {name: _path(values[name], root, f"{place}.{name}").resolve() for name in paths}
    lacking = tuple(name for name in chapter.needs if not values[name])
    values |= {name: str(path) for name, path in outside.items()}
    for name in given.keys() - outside.keys():
        from helpers.cnn import guests  # which only who has a model of one's own needs

        outside[name] = guests.own_module(values[name], f"{place}.{name}")
    changed = {name: value for name, value in values.items() if value != defaults[name]}
    return Settings(values, shown, changed, outside, lacking)


def _path(text: str, root: Path, place: str) -> Path:
    """Return a path relative to a folder, with its ``~`` filled in; UserError where the system takes it for none."""
    try:
        path = root / Path(text).expanduser()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            path.stat()
    except (OSError, ValueError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{place}: expected a path, found {text!r:.100} ({why}); correct it") from error
    return path


def _expand(value: Any, place: str) -> Any:
    """Fill in ``${VARIABLES}`` in a text, or in every text of a list or dict."""
    match value:
        case list():
            return [_expand(item, place) for item in value]
        case dict():
            return {key: _expand(item, place) for key, item in value.items()}
        case str():
            for name in VARIABLE.findall(value):
                if not os.environ.get(name):
                    raise UserError(f"{place}: {value!r} needs the variable {name}, which is not set; export {name}=…")
            return VARIABLE.sub(lambda found: os.environ[found[1]], value)
    return value


def check_outside(profile: Profile, chapters: list[Chapter], settings: dict[str, Settings]) -> None:
    """Raise when a file or folder outside the book, which a chapter is to use, is not there."""
    for chapter in chapters:
        stem, setting = chapter.stem, settings[chapter.stem]
        for name in setting.lacking:
            raise UserError(f"{stem}.{name}: expected a path, found none; give it in {profile.path}, or by --set")
        for name, path in setting.outside.items():
            kind = chapter.paths[name]
            if kind == "module":
                from helpers.cnn import guests

                guests.own_model(setting.values[name], 0, f"{stem}.{name}")
            elif not (path.is_dir() if kind == "folder" else path.is_file()):
                found = "something else" if path.exists() else "nothing"
                raise UserError(f"{stem}.{name}: expected a {kind}, found {found} at {path}; correct it in the profile")


def check_devices(chapters: list[Chapter], settings: dict[str, Settings]) -> None:
    """Raise where a chapter is to train on a device that isn't there."""
    for chapter in chapters:
        if (device := settings[chapter.stem].values.get("device", "cpu")) != "cpu":
            from helpers.cnn.network import check_device  # which needs torch

            try:
                check_device(device)
            except ValueError as error:
                raise UserError(f"{chapter.stem}.{error}; choose cpu, or run this where there is one") from error


def check_relations(profile: Profile, chapters: list[Chapter], settings: dict[str, Settings]) -> None:
    """Raise where what a chapter declares of its parameters together doesn't hold.

    A relation to another chapter that isn't among ``settings`` is not asked.
    """
    others = {f"{stem[:2]}.{name}": value for stem, one in settings.items() for name, value in one.values.items()}
    for chapter in chapters:
        declared = f"{chapter.path.with_name(workspace.DECLARED)}: {chapter.stem}"
        way = f"correct them in {profile.path}, or by --set"
        ranges.check_relations(chapter.stem, chapter.relations, settings[chapter.stem].values | others, declared, way)
