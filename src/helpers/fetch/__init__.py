"""Getting the products: ``get("cru_tmp", folder)`` downloads what is public, and NASA's with your own login.

Where each product comes from stands in data/products.yml under ``fetch`` (see `sources`). A download is planned first
(names and addresses), then carried out by pooch (Uieda et al. 2020, doi:10.21105/joss.01943): aside, tried again where
a connection breaks off, compared with its checksum, and put under its own name only when it is whole. On the command
line: ``python -m helpers.fetch``, or ``make data``.

``checksums.json`` in the folder of products maps ``<product>/<name>`` to the file's SHA-256, its size in bytes, the
address that it came from (without any query) and the version that was asked for. Where a publisher gives no checksum,
that of the first download is what later ones are compared with.

>>> way("fluxnet2015").how
'form'
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event

import pooch
import requests
from filelock import FileLock, Timeout
from tqdm import tqdm

from helpers import products, workspace
from helpers.fetch import sources
from helpers.fetch.sources import FetchError, RemoteFile, Way, fill
from helpers.products import first_year
from helpers.products.registry import Product

__all__ = ["ByHand", "FetchError", "Plan", "Way", "carry_out", "default_folder", "get", "plan", "verify", "way"]

TILE = re.compile(r"h(?:[0-2]\d|3[0-5])v(?:0\d|1[0-7])")
RETRIES = 4
"""How often a file is begun anew whose connection broke off, or whose checksum is wrong; after 1, 2, 3 and 4 s."""


class ByHand(FetchError):
    """A product that nobody can fetch by a command: it asks for a form, or is a file of one's own."""


@dataclass(frozen=True)
class Plan:
    """What a download is to bring."""

    product: Product
    way: Way
    version: str  # what was chosen, empty where there is no choice
    files: tuple[RemoteFile, ...]
    notes: tuple[str, ...]  # what the user should know: years that there are not, choices that don't apply


def default_folder() -> Path:
    """Return the folder of products: ``RECO_PRODUCTS``, else ``products/`` of the repository."""
    return Path(os.environ.get("RECO_PRODUCTS") or workspace.ROOT / "products")


def _entry(product: str | Product) -> Product:
    return product if isinstance(product, Product) else products.product(product)


def way(product: str | Product) -> Way:
    """Return how a product is fetched, and what a person has to do for one that is not."""
    return Way.of(_entry(product))


def get(
    product: str | Product,
    folder: str | Path | None = None,
    *,
    years: Iterable[int] | None = None,
    tiles: Iterable[str] | None = None,
    options: Mapping[str, str] | None = None,
    connections: int = 2,
    progress: bool = True,
) -> list[Path]:
    """Fetch a product's files; what is there already is not fetched again.

    Parameters
    ----------
    product : str or Product
        An id of data/products.yml.
    folder : path, optional
        Folder of products; the files go to its sub-folder named by the product id. Default `default_folder`.
    years, tiles, options
        See `plan`.
    connections, progress
        See `carry_out`.

    Returns
    -------
    list of Path
        Sorted; `helpers.products.find` finds them. Of a product behind a form, the files that were put there by hand.

    Raises
    ------
    ByHand
        The product cannot be fetched by a command, and no file of it is there; the message holds the steps.
    FetchError
        See `plan` and `carry_out`.
    """
    entry, folder = _entry(product), Path(folder or default_folder())
    if way(entry).how in ("form", "local"):
        there = [p for p in (folder / entry.id).rglob("*") if p.is_file() and entry.file.search(p.name)]
        if there:
            return sorted(there)
    todo = plan(entry, years=years, tiles=tiles, options=options)
    for note in todo.notes:
        warnings.warn(note, stacklevel=2)
    return carry_out(todo, folder, connections=connections, progress=progress)


def plan(
    product: str | Product,
    *,
    years: Iterable[int] | None = None,
    tiles: Iterable[str] | None = None,
    options: Mapping[str, str] | None = None,
) -> Plan:
    """Find out which files to fetch; asks servers for their lists where names cannot be known.

    Parameters
    ----------
    product : str or Product
    years : iterable of int, optional
        Calendar years; by default those that the paper needs. Of no matter where a file holds all years.
    tiles : iterable of str, optional
        Tiles of the sinusoidal grid, such as "h18v04"; by default all.
    options : mapping of str to str, optional
        What else the product lets one choose, such as ``{"version": "4.09"}``.

    Raises
    ------
    ByHand
        The product cannot be fetched by a command.
    FetchError
        A choice is not known, or nothing is there that fits it.
    """
    product = _entry(product)
    source = way(product)
    if source.how in ("form", "local"):
        why = "it is behind a form" if source.how == "form" else "there is nothing to fetch"
        raise ByHand(f"{product.id}: expected a product to download, but {why}: {' '.join(source.steps)}")
    words = source.choose(options or {})
    version = words.get("version", "")
    years, early = _years(product, source, version, years)
    tiles, untiled = _tiles(product, tiles)
    if source.how == "earthdata":
        files = sources.search(source, product, words, years, tiles)
    else:
        a_year = _listed if source.listing else _named
        files = [file for year in years or ("",) for file in a_year(product, source, words | {"year": str(year)})]
    files, replaced = _latest(product, files, years, tiles)
    if not files:
        span = [f"{years[0]} to {years[-1]}" if len(years) > 1 else str(years[0])] if years else []
        wanted = " and ".join([*span, *([", ".join(tiles)] if tiles else [])]) or "the product"
        raise FetchError(f"{product.id}: expected files for {wanted}, found none at {source.page}; ask for others")
    return Plan(product, source, version, tuple(files), (*early, *untiled, *replaced))


def _years(
    product: Product, source: Way, version: str, asked: Iterable[int] | None
) -> tuple[tuple[int, ...], list[str]]:
    """Return the years to fetch, and what is to be said of those that there are not."""
    if not source.years:
        note = f"{product.id}: years are of no matter here: each file holds all of them"
        return (), [note] if asked is not None else []
    years = sorted(set(range(source.years[0], source.years[-1] + 1) if asked is None else map(int, asked)))
    if not years:
        raise FetchError(f"{product.id}: expected at least one year, found none; give some, such as 2000-2018")
    first = first_year(product, version) or years[0]
    early = [year for year in years if year < first]
    if not early:
        return tuple(years), []
    span = str(early[0]) if len(early) == 1 else f"{early[0]} to {early[-1]}"
    note = f"{product.id}: version {version} starts in {first}, so it lacks {span} (the paper used {product.version})"
    if early == years:
        raise FetchError(f"{note}; ask for {first} or later")
    return tuple(years[len(early) :]), [note]


def _tiles(product: Product, asked: Iterable[str] | None) -> tuple[tuple[str, ...], list[str]]:
    tiles = tuple(dict.fromkeys(str(tile).strip() for tile in asked or ()))
    if wrong := [tile for tile in tiles if not TILE.fullmatch(tile)]:
        raise FetchError(f"{product.id}: expected tiles such as h18v04 (h00 to h35, v00 to v17), found {wrong[0]!r}")
    if tiles and "tile" not in product.file.groupindex:
        return (), [f"{product.id}: tiles are of no matter here: each file is global"]
    return tiles, []


def _named(product: Product, source: Way, words: dict[str, str]) -> list[RemoteFile]:
    """Return files whose names are known."""
    names = [fill(template, words) for template in source.files]
    return [RemoteFile(f"{product.id}/{name}", fill(source.url, words | {"file": name})) for name in names]


def _listed(product: Product, source: Way, words: dict[str, str]) -> list[RemoteFile]:
    """Return the files that a page of links shows."""
    url, select, version = fill(source.listing, words), fill(source.select, words), words.get("version", "")
    found, others = [], set()
    for name, link in sources.links(source, sources.Session(), url).items():
        match = product.file.fullmatch(name)
        if match and re.search(select, name):
            other = match.groupdict().get("version")
            if version and other and other != version:
                others.add(other)
            else:
                found.append(RemoteFile(f"{product.id}/{name}", link))
    if not found:
        other = f" (but version {' and '.join(sorted(others))}: choose it as the option version)" if others else ""
        raise source.error(
            url,
            f"expected links to files named like {product.example}, found none{other}",
            f"look where {source.page} has them, and correct 'fetch' of {product.id} in data/products.yml",
        )
    return found


def _latest(
    product: Product, files: Iterable[RemoteFile], years: tuple[int, ...], tiles: tuple[str, ...]
) -> tuple[list[RemoteFile], list[str]]:
    """Return the files of these years and tiles (empty: all), as far as their names tell either.

    Of files that were produced twice for one date and tile the later is taken, and a note says so. The names of MODIS
    and GLASS end in the date of production, so that the later of two sorts last.
    """
    newest, count = {}, 0
    for file in sorted(set(files), key=lambda file: file.path):
        match = product.file.fullmatch(file.name)
        told = match.groupdict() if match else {}
        if (not years or int(told.get("year") or years[0]) in years) and (not tiles or told.get("tile") in tiles):
            newest[tuple(told.values()) if told.get("day") else file.path] = file
            count += 1
    note = f"{product.id}: of files that were produced more than once the latest is taken"
    return list(newest.values()), [f"{note} ({count - len(newest)} left out)"] if count > len(newest) else []


def carry_out(plan: Plan, folder: Path, *, connections: int = 2, progress: bool = True) -> list[Path]:
    """Bring what a plan wants into ``folder/<product id>``, and return its paths, sorted.

    Parameters
    ----------
    plan : Plan
    folder : Path
        Folder with one sub-folder a product id.
    connections : int
        Files that come at one time; servers are shared, so few.
    progress : bool
        Show bars, where somebody sits at a terminal.

    Raises
    ------
    FetchError
        A file cannot be had, written, or is not what its checksum says; or another process fetches the product.
        Files that have come stay.
    """
    place, quiet = folder / plan.product.id, None if progress else True
    pooch.get_logger().setLevel("WARNING")  # it would announce each of thousands of files
    try:
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{place.name}.lock", timeout=0):
            known, new = _recorded(folder), {}
            try:
                missing = [file for file in plan.files if not _is_there(plan, folder, file, known, new)]
                if missing:
                    _bring(plan, folder, missing, known, new, connections, quiet)
            finally:
                _record(folder, new)
    except Timeout:
        raise FetchError(f"{place}: another process is fetching {place.name}; wait until it ends") from None
    except OSError as error:
        where, why = error.filename or place, error.strerror or type(error).__name__
        raise FetchError(f"{where}: cannot be written ({why}); make room there, or choose another folder") from None
    return sorted(folder / file.path for file in plan.files)


def _is_there(plan: Plan, folder: Path, file: RemoteFile, known: dict[str, dict], new: dict[str, dict]) -> bool:
    """Say whether a file is there and is what was fetched; one that was put there by hand is looked at and noted.

    Raises
    ------
    FetchError
        A file of the name is there and is another: changed, damaged, or of another version.
    """
    path, entry, wrong = folder / file.path, known.get(file.path, {}), ""
    if not path.is_file():
        return False
    version, size = entry.get("version") or plan.version, path.stat().st_size
    if plan.version and version != plan.version:
        wrong = f"expected version {plan.version}, found version {version} under the same name; choose another folder"
    elif entry and entry["bytes"] != size:
        wrong = f"expected {entry['bytes']:,} bytes as fetched, found {size:,}"
    elif not entry:
        with path.open("rb") as opened:
            wrong = sources.misfit(file.name, opened.read(512))
        if not wrong and not pooch.hashes.hash_matches(path, file.checksum or None):
            wrong = f"expected checksum {file.checksum}, found another"
    if wrong:
        raise FetchError(f"{path}: {wrong}; remove it and run the same again")
    if not entry:
        new[file.path] = _entry_of(path, file, plan.version)
    return True


def _bring(
    plan: Plan,
    folder: Path,
    missing: list[RemoteFile],
    known: dict[str, dict],
    new: dict[str, dict],
    connections: int,
    quiet: bool | None,
) -> None:
    """Bring files side by side, and note them in ``new``; the first error, or Ctrl-C, ends all."""
    session, stop = sources.logged_in(plan.way) if plan.way.how == "earthdata" else sources.Session(), Event()
    first = {
        path: f"sha256:{entry['sha256']}" for path, entry in known.items() if entry.get("version", "") == plan.version
    }
    fetcher = pooch.create(
        folder,
        base_url="",
        registry={file.path: file.checksum or first.get(file.path) for file in missing},
        urls={file.path: file.url for file in missing},
        retry_if_failed=RETRIES,
    )

    def one(file: RemoteFile) -> None:
        downloader = partial(sources.download, way=plan.way, session=session, name=file.name, quiet=quiet, stop=stop)
        try:
            fetcher.fetch(file.path, downloader=downloader)
        except requests.RequestException:
            found = f"the connection broke off, {RETRIES + 1} times"
            raise plan.way.error(file.url, found, "check it, and run the same again") from None
        except ValueError as error:
            replaced = "if its publisher has replaced it, delete its lines from checksums.json and run the same again"
            raise plan.way.error(file.url, str(error).rstrip("."), "" if file.checksum else replaced) from None
        new[file.path] = _entry_of(folder / file.path, file, plan.version)

    with tqdm(total=len(missing), desc=plan.product.id, unit="file", disable=quiet, leave=False) as bar:
        pool = ThreadPoolExecutor(connections)
        waiting = {pool.submit(one, file) for file in missing}
        try:
            while waiting:  # in short steps, since Windows hears Ctrl-C only between them
                done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                    bar.update()
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _entry_of(path: Path, file: RemoteFile, version: str) -> dict:
    """Hash a file that is there, and return its entry for the record."""
    return {
        "sha256": pooch.file_hash(path),
        "bytes": path.stat().st_size,
        "url": sources.shown(file.url),
        "version": version,
    }


def _recorded(folder: Path) -> dict[str, dict]:
    """Read ``checksums.json``; nothing where there is none."""
    path = folder / "checksums.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        content = None
    if not isinstance(content, dict) or not all({"sha256", "bytes"} <= {*e} for e in content.values()):
        raise FetchError(f"{path}: expected checksums as JSON, cannot read it; move it away and run the same again")
    return content


def _record(folder: Path, new: dict[str, dict]) -> None:
    """Put what is new into ``checksums.json``, together with what others have put there meanwhile."""
    if new:
        with FileLock(folder / ".checksums.json.lock"), workspace.writing(folder / "checksums.json") as path:
            content = dict(sorted((_recorded(folder) | new).items()))
            path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def verify(product: str | Product, folder: str | Path | None = None) -> list[str]:
    """Compare a product's fetched files with their checksums.

    Returns
    -------
    list of str
        What is wrong, a line a file; empty where all is well.

    Raises
    ------
    FetchError
        Nothing of the product was fetched to the folder.
    """
    entry, folder, wrong = _entry(product), Path(folder or default_folder()), []
    recorded = {key: known["sha256"] for key, known in _recorded(folder).items() if key.startswith(f"{entry.id}/")}
    if not recorded:
        raise FetchError(f"{folder}: expected files of {entry.id} in checksums.json, found none; fetch it first")
    for key, expected in recorded.items():
        path = folder / key
        if not path.is_file():
            wrong.append(f"{path}: expected the file that checksums.json lists, found none; fetch {entry.id} again")
        elif (found := pooch.file_hash(path)) != expected:
            remedy = f"it has changed since it was fetched, so remove it and fetch {entry.id} again"
            wrong.append(f"{path}: expected SHA-256 {expected}, found {found}; {remedy}")
    return wrong
