"""A profile: which chapters to run, with which values.

Four layers, each over the one before: the notebook's own default, the profile's ``common:``, its section for the
chapter, and ``--set`` on the command line. Every name and type is checked before anything runs.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from helpers.run import parameters
from helpers.run.chapters import Chapter, choose
from helpers.run.parameters import Parameter
from helpers.run.places import Book, UserError

RESERVED = ("description", "common", "chapters")
VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Profile:
    """A profile as its file has it.

    Parameters
    ----------
    name : str
        Of the file, and of the workspace.
    path : Path
        The YAML file.
    common : dict
        Values for every chapter that has a parameter of that name.
    sections : dict
        Values for one chapter, by stem.
    chapters : list of str, optional
        Stems or numbers of the chapters to run; default all.
    """

    name: str
    path: Path
    common: dict[str, Any] = field(default_factory=dict)
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)
    chapters: list[str] | None = None


@dataclass(frozen=True)
class Settings:
    """What one chapter is run with.

    Parameters
    ----------
    values : dict
        Every parameter, expanded and typed.
    shown : dict
        The same as the profile has them, before ``${VARIABLES}`` are filled in: what a page may show.
    defaults : dict
        What the notebook itself says.
    outside : dict
        The files and folders outside the book that the chapter uses, by parameter.
    lacking : tuple of str
        Those that it can't run without and that nobody has given.
    """

    values: dict[str, Any]
    shown: dict[str, Any]
    defaults: dict[str, Any]
    outside: dict[str, Path]
    lacking: tuple[str, ...] = ()

    @property
    def changed(self) -> dict[str, Any]:
        """The values that differ from the notebook's own."""
        return {name: value for name, value in self.values.items() if value != self.defaults[name]}


def load(book: Book, name: str) -> Profile:
    """Read ``notebooks/profiles/<name>.yml``."""
    folder = book.notebooks / "profiles"
    path = folder / f"{name}.yml"
    if Path(name).name != name or not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.yml"))) or "none"
        raise UserError(f"--profile: there is no profile {name!r} in {folder}; the profiles are {known}")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: expected YAML, found {' '.join(str(error).split())}; correct it") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected names and values, found {type(content).__name__}; correct it")
    for key, value in content.items():
        kind = {"description": str, "chapters": list}.get(key, dict)
        if value is not None and not isinstance(value, kind):
            found = type(value).__name__
            raise UserError(f"{path}: {key}: expected {kind.__name__}, found {found} {value!r}; correct it")
    sections = {key: value or {} for key, value in content.items() if key not in RESERVED}
    return Profile(name, path, content.get("common") or {}, sections, content.get("chapters"))


def chapters_of(profile: Profile, chapters: list[Chapter]) -> list[Chapter]:
    """Return the chapters that a profile runs, in reading order."""
    return chapters if profile.chapters is None else choose(chapters, profile.chapters, f"{profile.path}: chapters")


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
        For a name that no chapter has, a value of the wrong type, an unset variable.
    """
    known = {chapter.stem: parameters.of_chapter(chapter) for chapter in chapters}
    for stem in profile.sections:
        if stem not in known:
            raise UserError(f"{profile.path}: there is no chapter {stem!r}; the chapters are {', '.join(known)}")
    running = {chapter.stem: known[chapter.stem] for chapter in chapters_of(profile, chapters)}
    _check_names(profile, known)
    layers: dict[str, dict[str, Any]] = {stem: {"profile": profile.name} for stem in running}
    for stem, parameters_here in running.items():
        layers[stem] |= {name: value for name, value in profile.common.items() if name in parameters_here}
        layers[stem] |= profile.sections.get(stem, {})
    for text in overrides:
        _override(layers, running, text)
    resolved = {stem: _resolve(profile, stem, running[stem], layers[stem], root) for stem in running}
    return {stem: one for stem, one in resolved.items() if profile.chapters is not None or not one.lacking}


def _check_names(profile: Profile, known: dict[str, dict[str, Parameter]]) -> None:
    everywhere = sorted({name for names in known.values() for name in names} - {"profile"})
    for name in profile.common:
        if name not in everywhere:
            raise parameters.unknown(name, everywhere, f"{profile.path}: common")
    for stem, section in profile.sections.items():
        for name, value in section.items():
            if name not in known[stem] or name == "profile":
                raise parameters.unknown(name, sorted(set(known[stem]) - {"profile"}), f"{profile.path}: {stem}")
            known[stem][name].checked(value, f"{profile.path}: {stem}.{name}")


def _override(layers: dict[str, dict], running: dict[str, dict[str, Parameter]], text: str) -> None:
    target, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--set {text}: expected name=value, found no '='; write it as --set seed=7")
    chapter, _, name = target.rpartition(".")
    stems = [s for s in running if not chapter or chapter in (s, s[:2])]
    if not stems:
        raise UserError(f"--set {text}: there is no chapter {chapter!r} in this run; it runs {', '.join(running)}")
    having = [stem for stem in stems if name in running[stem] and name != "profile"]
    if name == "profile":
        raise UserError(f"--set {text}: the profile is chosen by --profile {value}; use that")
    if not having:
        raise parameters.unknown(name, sorted({n for stem in stems for n in running[stem]}), f"--set {text}")
    for stem in having:
        parameter = running[stem][name]
        read = parameter.checked(parameters.from_text(value, parameter.type, f"--set {text}"), f"--set {text}")
        if parameter.is_outside and read and not VARIABLE.match(read):
            read = str(Path(read).expanduser().absolute())
        layers[stem][name] = read


def _resolve(profile: Profile, stem: str, known: dict[str, Parameter], layer: dict[str, Any], root: Path) -> Settings:
    if "profile" not in known:
        raise UserError(f"{stem}: the parameters cell has no 'profile'; its first line must be profile: str = \"demo\"")
    defaults = {name: parameter.default for name, parameter in known.items()}
    place = f"{profile.path}: {stem}"
    shown = {name: known[name].checked(value, f"{place}.{name}") for name, value in (defaults | layer).items()}
    values = {name: _expand(value, f"{place}.{name}") for name, value in shown.items()}
    outside = {
        name: (root / Path(values[name]).expanduser()).resolve()
        for name, parameter in known.items()
        if parameter.is_outside and values[name]
    }
    lacking = tuple(name for name, parameter in known.items() if parameter.is_needed and not values[name])
    return Settings(values | {name: str(path) for name, path in outside.items()}, shown, defaults, outside, lacking)


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


def check_outside(profile: Profile, chosen: dict[str, Settings]) -> None:
    """Raise when a file or folder outside the book, which a chapter is to use, is not there."""
    for stem, setting in chosen.items():
        for name in setting.lacking:
            raise UserError(f"{stem}.{name}: expected a path, found none; give it in {profile.path}, or by --set")
        for name, path in setting.outside.items():
            kind, there = ("folder", path.is_dir()) if name.endswith("_folder") else ("file", path.is_file())
            if not there:
                found = "something else" if path.exists() else "nothing"
                raise UserError(f"{stem}.{name}: expected a {kind}, found {found} at {path}; correct it in the profile")
