"""Downloads: planned, refused, compared, recorded; never half a file under its name, never a login shown to others."""

import base64
import dataclasses
import datetime
import errno
import gzip
import hashlib
import io
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import stat
import struct
import subprocess
import sys
import threading
import traceback
import zipfile
from pathlib import PurePath
from types import SimpleNamespace

import earthaccess
import numpy as np
import pytest
import requests
from earthaccess.results import DataGranule
from filelock import FileLock
from local_server import Site

from helpers import fetch, products
from helpers.workspace import ROOT

DATA = np.random.default_rng(7).bytes(60_000)
HDF4 = b"\x0e\x03\x13\x01" + struct.pack(">hIHHII", 1, 0, 702, 1, 22, len(DATA)) + DATA
"""A directory of one element, and that."""
NETCDF = b"\x89HDF\r\n\x1a\n\2\x08\x08\0" + struct.pack("<QqQ", 0, -1, 36 + len(DATA)) + DATA
"""A first block, which says where the file ends."""
CLASSIC = b"CDF\1" + struct.pack(">3I", 0, 10, 1) + struct.pack(">I4sI", 1, b"x", 15_000) + bytes(8)
CLASSIC += struct.pack(">3I4s2I8x3I", 11, 1, 1, b"v", 1, 0, 4, 60_000, 80) + DATA
"""A dimension, and a variable that fills it."""
TIFF = b"II*\0" + struct.pack("<IHHHIIHHIII", 8, 2, 273, 4, 1, 38, 279, 4, 1, len(DATA), 0) + DATA
"""An index of one strip, and that."""
GZIP = gzip.compress(NETCDF, mtime=0)
CRU = "/cru/data/hrg/cru_ts_4.05/cruts.2103051243.v4.05/tmp/cru_ts4.05.1901.2020.tmp.dat.nc.gz"
CRU_NAME = CRU.rsplit("/", 1)[-1]
PAR, FAPAR = "/archive/PAR/MODIS/0.05D/2001/", "/archive/FAPAR/MODIS/500M/2001/"


def here(product_id, site, host="glass.hku.hk", **changes):
    """Return a product of the registry whose files are on the test's server; paths stay as they are."""
    entry = products.product(product_id)
    moved = {
        key: entry.fetch[key].replace(f"https://{host}", site.url) for key in {"url", "listing"} & set(entry.fetch)
    }
    return dataclasses.replace(entry, fetch=entry.fetch | moved | changes)


def cru(site, **changes):
    return here("cru_tmp", site, "crudata.uea.ac.uk", **changes)


@pytest.fixture
def get(server, tmp_path):
    """Fetch from the test's server, CRU's temperature if nothing else is said."""
    return lambda product=None, **how: fetch.get(product or cru(server), tmp_path, **how)


@pytest.fixture
def refused(get, tmp_path):
    """Fetch in vain; return what is said, in one line, and see that no file is there, nor a part of one."""

    def run(product=None, **how):
        with pytest.raises(fetch.FetchError) as error:
            get(product, **how)
        assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix not in (".lock", ".json")]
        assert "\n" not in str(error.value)
        return str(error.value)

    return run


def serve(server, folder, names):
    """Serve a folder of HDF4 files, with its index."""
    server.index(folder, names)
    for name in names:
        server.put(folder + name, HDF4)


# What comes


def test_a_file_lands_whole_where_its_readers_look_and_is_recorded(get, server, tmp_path):
    server.put(CRU, GZIP, headers={"Content-Encoding": "x-gzip", "Content-Disposition": "filename=../../evil"})
    path = tmp_path / "cru_tmp" / CRU_NAME
    assert get() == [path] == products.find("cru_tmp", tmp_path)
    assert path.read_bytes() == GZIP, "packed, whatever the server says of its encoding"
    assert list(path.parent.iterdir()) == [path]
    (tmp_path / "other").touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)
    ((name, entry),) = json.loads((tmp_path / "checksums.json").read_text()).items()
    assert (name, entry["bytes"], entry["url"]) == (f"cru_tmp/{CRU_NAME}", len(GZIP), server.url + CRU)
    server.asked.clear()
    assert get() == [path]
    assert server.asked == [], "what is there is not asked for again"


def test_a_broken_connection_and_a_busy_server_are_tried_again_and_then_given_up(get, server, refused):
    server.put(CRU, GZIP, drops=9)
    assert refused().endswith("the connection broke off, 5 times; check it, and run the same again")
    assert (len(server.asked), server.waits) == (5, [1, 2, 3, 4])
    server.pages[CRU].drops, server.pages[CRU].busy = 4, 5
    assert "expected a file, found status 503" in refused()
    assert get()[0].read_bytes() == GZIP, "four more broke off, and the last was whole"


def test_a_file_is_on_the_disk_before_it_takes_its_name_and_a_kill_leaves_none(get, server, tmp_path, monkeypatch):
    server.put(CRU, GZIP)
    path = tmp_path / "cru_tmp" / CRU_NAME

    def killed(_):
        assert not path.exists()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "fsync", killed)
        get()
    assert list(path.parent.iterdir()) == []
    assert get() == [path]


# What is refused


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"\n<!DOCTYPE html><title>Log in</title>", "a web page (such as that of a login)"),
        (b"\xef\xbb\xbf<HTML>", "a web page (such as that of a login)"),
        (b"CDF\x01 unpacked", r"b'CDF\x01'"),
        (b"", "b''"),
    ],
)
def test_another_thing_in_the_files_place(server, refused, tmp_path, body, found):
    server.put("/login?client=1", body, kind="application/gzip")
    server.lead(CRU, "/login?client=1")
    what = f"cru_tmp: {server.url}{CRU}: expected a file .gz, found {found} at its start; "
    assert refused().startswith(what + ("open htt" if "page" in found else "look at htt"))
    (tmp_path / "cru_tmp" / CRU_NAME).write_bytes(body)  # of what was put there by hand the same is said
    with pytest.raises(fetch.FetchError, match="expected a file .gz, found .*; remove it and run the same again"):
        fetch.get(cru(server), tmp_path)


ENDS = {".nc": NETCDF, ".hdf": HDF4, ".tif": TIFF, ".nc.gz": GZIP, ".tiff": TIFF, ".nc4": CLASSIC}


@pytest.mark.parametrize("ending", ENDS)
def test_a_file_that_ends_before_its_own_format_says_is_seen(tmp_path, ending):
    path, name = tmp_path / "tmpab12_xyz", f"spei12{ending}"
    path.write_bytes(ENDS[ending])
    assert fetch.flaw(path, name) == ""
    for cut in (1, 9, 30_000, len(ENDS[ending]) - 20):
        path.write_bytes(ENDS[ending][:-cut])
        last = PurePath(name).suffix
        assert fetch.flaw(path, name) == f"expected a whole file {last}, found one that is cut short or damaged"


def test_what_is_packed_begins_like_what_its_name_says(server, refused, tmp_path):
    server.put(CRU, gzip.compress(b"a,b\n1,2\n"))
    assert "expected a file .nc, found b'a,b\\n' at its start, unpacked; run the same again later" in refused()
    path = tmp_path / "x"
    for name, member, found in (
        ("a.hdf.zip", "a.hdf", ""),
        ("a.nc.zip", "a.nc", "expected a file .nc, found b'\\x0e\\x03\\x13\\x01' at its start, unpacked"),
        (
            "a.hdf.zip",
            "readme",
            "expected one data file (.nc .nc4 .hdf .h4 .tif .tiff .csv .txt), found 0 among readme",
        ),
    ):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(member, HDF4)
        assert fetch.flaw(path, name) == found
    path.write_bytes(path.read_bytes()[:-9])
    assert "cut short or damaged" in fetch.flaw(path, "a.hdf.zip")


def test_what_a_file_is_by_its_first_bytes_is_asked_of_all_of_them():
    for name, begin in (("a.tif", b"II, then text"), ("a.nc", b"CDFxxxx"), ("a.zip", b"PK"), ("a.hdf", b"\x0e\x03")):
        assert "expected a file" in fetch.misfit(name, begin)
    for name, begin in (("a.tif", b"MM\0*"), ("a.nc", b"CDF\x05"), ("a.nc4", b"\x89HDF\r"), ("a.gz", b"\x1f\x8b\x08")):
        assert fetch.misfit(name, begin) == ""


def test_a_status_that_is_no_file_tells_the_remedy_and_no_secret(server, refused, caplog):
    caplog.set_level("DEBUG")
    server.lead(CRU, "/signed.gz?Signature=hunter2")
    remedies = {404: "correct 'fetch' of cru_tmp in data/products.yml", 403: "accept the licence", 500: "look at http"}
    for status, remedy in remedies.items():
        server.put("/signed.gz?Signature=hunter2", b"no", status=status, busy=2)  # a second try is logged as well
        said = refused()
        assert f"cru_tmp: {server.url}{CRU}: expected a file, found status {status}" in said and remedy in said
    assert "hunter2" not in caplog.text


def test_a_redirect_out_of_encryption_or_to_what_two_may_read_differently_is_not_followed(server, refused):
    away = ["http://example.org/x.gz", "ftp://127.0.0.1/x.gz", "file:///etc/passwd", "https:///x"]
    away += ["http://me:hunter2@localhost:{}/x.gz", "http://hunter2@127.0.0.1:{}/x.gz", "https://nasa.gov:port/x"]
    away += [f"https://example.org{trick}nasa.gov/x" for trick in ("\\@", "\\.", "%5C.")]
    for target in away:
        server.asked.clear()
        server.lead(CRU, target.format(server.port))
        said = refused()
        assert re.search("expected an https address without user and password|an address that cannot be read", said)
        assert "hunter2" not in said
        assert server.paths() == [CRU]
        with pytest.raises(fetch.FetchError, match="expected an https address"):  # nor asked if the registry has it
            fetch.plan(cru(server, url=target))


def test_an_encrypted_address_leads_to_encrypted_ones_only():
    def prepared(url):
        return requests.Request("GET", url).prepare()

    led = SimpleNamespace(request=prepared("https://a.org/x"))
    fetch.Session().rebuild_auth(prepared("https://b.org/x"), led)
    with pytest.raises(fetch.FetchError, match="expected a redirect that stays encrypted, found one to http://127.0"):
        fetch.Session().rebuild_auth(prepared("http://127.0.0.1/x"), led)


def test_names_that_are_not_written():
    for name in ("../x.nc", "a//b", ".hidden", "a\\b", "con", "NUL.nc", "x.", "x\n.nc", "x.nc\n", "ä.nc"):
        with pytest.raises(fetch.FetchError, match="expected a file name of letters"):
            fetch.RemoteFile(f"cru_tmp/{name}", "https://example.org/x")


def test_a_file_that_is_not_that_of_the_first_download(get, server, tmp_path, refused):
    server.put(CRU, GZIP)
    get()[0].unlink()
    server.put(CRU, GZIP + b"\0")
    first = json.loads((tmp_path / "checksums.json").read_text())[f"cru_tmp/{CRU_NAME}"]["sha256"]
    said = refused()
    assert f"does not match the known hash: expected sha256:{first} but got " in said
    assert "if its publisher has replaced it, delete its lines from checksums.json" in said


def test_a_disk_that_is_full_or_a_file_where_a_folder_should_be(server, refused, monkeypatch, tmp_path):
    server.put(CRU, GZIP)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 100))
        assert "expected 0.0 GiB of room, found 0.0; make room, or choose another folder" in refused()
        patch.undo()
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        assert "cannot be written (No space left on device); make room there, or choose another folder" in refused()
    shutil.rmtree(tmp_path / "cru_tmp")
    (tmp_path / "cru_tmp").write_text("")
    with pytest.raises(fetch.FetchError, match=r"cru_tmp: cannot be written \(File exists\); "):
        fetch.get(cru(server), tmp_path)


def test_one_process_a_product(get, tmp_path):
    with FileLock(tmp_path / ".cru_tmp.lock"), pytest.raises(fetch.FetchError, match="another process is fetching cru"):
        get()


def test_who_holds_the_record_is_not_waited_for_without_end(get, server, tmp_path, monkeypatch):
    server.put(CRU, GZIP)
    monkeypatch.setattr(fetch, "RECORDING", 0.1)
    held = "checksums.json: another process has kept it from being written for 0.1 s; wait until it ends, and run"
    with FileLock(tmp_path / ".checksums.json.lock"), pytest.raises(fetch.FetchError, match=held):
        get()
    assert get() == [tmp_path / "cru_tmp" / CRU_NAME]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes a pipe")
def test_what_is_no_file_in_a_files_place_is_told_and_not_read(get, tmp_path):
    path = tmp_path / "cru_tmp" / CRU_NAME
    path.parent.mkdir()
    for make in (path.mkdir, lambda: os.mkfifo(path), lambda: path.symlink_to("/dev/zero")):
        make()
        with pytest.raises(fetch.FetchError, match="found a folder, a pipe or a device; move it away"):
            get()
        path.rmdir() if path.is_dir() else path.unlink()


def test_what_came_before_a_kill_is_known_by_its_version(server, tmp_path, monkeypatch):
    """A name that is the same in two versions: after a kill nothing of one counts as of the other."""
    names = ("spei12.nc", "spei24.nc", "spei36.nc")
    for handle in ("268088", "202305"):
        server.put(f"/handle/10261/{handle}", "".join(f'<a href="/x/{name}">x</a>' for name in names).encode())
    for name in names[:2]:
        server.put(f"/x/{name}", NETCDF)
    product, move = here("spei", server, "digital.csic.es"), shutil.move

    def moved(source, target):
        assert PurePath(target).name in (tmp_path / "checksums.json").read_text()
        return move(source, target)

    monkeypatch.setattr(shutil, "move", moved)
    with pytest.raises(fetch.FetchError, match="status 404"):
        fetch.get(product, tmp_path, options={"version": "2.7"}, connections=1)
    with pytest.raises(fetch.FetchError, match="spei12.nc: expected version 2.6, found version 2.7 under the same"):
        fetch.get(product, tmp_path)


# Layouts of the real servers: only the host is another than data/products.yml says


def test_speibase_from_the_page_of_its_version_and_never_two_under_one_name(server, get):
    for handle in ("202305", "268088"):
        scales = {f"spei{scale:02}.nc": f"/bitstream/10261/{handle}/{scale + 2}/" for scale in (1, 12, 24, 36, 48)}
        rows = "".join(f'<a href="{folder}{name}">{name}</a>' for name, folder in scales.items())
        server.put(f"/handle/10261/{handle}", f"<html>{rows}<a href='/x/spei12.nc.txt'>x</a></html>".encode())
        for name, folder in scales.items():
            server.put(folder + name, NETCDF)
    product = here("spei", server, "digital.csic.es")
    found = get(product)
    assert [path.name for path in found] == ["spei12.nc", "spei24.nc", "spei36.nc"]
    with pytest.raises(
        fetch.FetchError, match="spei12.nc: expected version 2.7, found version 2.6 under the same name"
    ):
        get(product, options={"version": "2.7"})


def test_glass_names_end_in_a_day_that_only_the_server_knows(server, get, tmp_path):
    names = [f"GLASS04B01.V42.A2001{day:03}.2020{day + 300}.hdf" for day in (1, 2)]
    others = ["GLASS04B01.V42.A2001002.2019100.hdf", f"{names[0]}.xml", "GLASS01B01.V50.A2001001.2021110.hdf"]
    serve(server, PAR, [*others, *names])
    with pytest.warns(UserWarning, match=r"glass_par: .* the latest is taken \(1 left out\)"):
        found = get(here("glass_par", server), years=[2001])
    assert [path.name for path in found] == names
    assert found == products.find("glass_par", tmp_path)


def test_glass_by_days_and_tiles(server, get):
    days, tiles = ("001", "009"), ("h17v03", "h18v04", "h08v05")
    server.index(FAPAR, ["/collection/006/", *(f"{day}/" for day in days), "readme/"])  # a collection is no day
    names = [f"GLASS09E01.V50.A2001{day}.{tile}.2021110.hdf" for day in days for tile in tiles]
    for day in days:
        serve(server, f"{FAPAR}{day}/", [name for name in names if f"A2001{day}" in name])
    found = get(here("glass_fapar", server), years=[2001], tiles=tiles[:2])
    assert [path.name for path in found] == [name for name in names if "h08v05" not in name]


def test_links_that_lead_out_of_the_server_or_the_folder_are_not_followed(server, get, tmp_path):
    good, evil = "GLASS04B01.V42.A2001001.2020313.hdf", "GLASS04B01.V42.A2001002.2020313.hdf"
    links = [good, f"https://elsewhere.example/{evil}", "%2e%2e%2fGLASS04B01.V42.A2001003.2020313.hdf", "http://[x"]
    serve(server, PAR, links)
    assert [path.name for path in get(here("glass_par", server), years=[2001])] == [good]
    assert [path.name for path in tmp_path.rglob("*.hdf")] == [good]


def test_several_come_at_one_time_and_one_failure_ends_the_rest(get, server, tmp_path):
    names = [f"GLASS04B01.V42.A2001{day:03}.2020313.hdf" for day in range(1, 13)]
    serve(server, PAR, names)
    gone = server.pages.pop(PAR + names[3])
    with pytest.raises(fetch.FetchError, match=f"{names[3]}: expected a file, found status 404"):
        get(here("glass_par", server), years=[2001], connections=1)
    came = {path.name for path in tmp_path.rglob("*.hdf")}
    assert came and names[3] not in came
    server.pages[PAR + names[3]] = gone
    server.asked.clear()
    assert len(get(here("glass_par", server), years=[2001], connections=4)) == 12
    assert not came & {path.rsplit("/", 1)[-1] for path in server.paths()}


def test_every_product_says_how_it_is_had_and_the_page_says_the_same():
    page = (ROOT / "book" / "getting_data.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    said = {key: (takes, disk) for keys, takes, disk in rows for key in re.findall(r"`(\w+)`", keys)}
    for key, product in products.products().items():
        way = fetch.way(product)
        assert bool(way.steps) == (way.how in ("form", "local")), key
        if way.how == "local":
            assert key not in said, key
            continue
        takes, disk = said[key]
        assert (takes, disk.removesuffix(" (each)")) == (fetch.HOWS[way.how], way.size), key
        for template in (way.url, way.listing, way.page):
            assert not template or template.startswith("https://"), key
        assert {"http": way.listing or way.files, "earthdata": way.collection, "form": way.steps}[way.how], key
        words = way.choose({})
        for name in way.files:
            assert product.file.fullmatch(fetch.fill(name, words)), f"{key}: its own pattern must match {name}"
        unfilled = re.findall(r"\{\w+\}", fetch.fill(f"{way.url} {way.listing} {way.select}", words))
        assert set(unfilled) <= {"{file}", "{year}"}, key
        if "version" in words and way.how == "http":
            assert words["version"] == product.version, f"{key}: the default is what the paper used"


# The command line, and the record of checksums


def test_a_file_that_was_put_there_by_hand_is_recorded_beside_other_products(get, server, tmp_path):
    path, record = tmp_path / "cru_tmp" / CRU_NAME, tmp_path / "checksums.json"
    path.parent.mkdir()
    path.write_bytes(GZIP)
    record.write_text(json.dumps({"spei/spei12.nc": {"sha256": "0" * 64, "bytes": 1}}))
    assert get() == [path] and server.asked == []
    assert list(json.loads(record.read_text())) == [f"cru_tmp/{CRU_NAME}", "spei/spei12.nc"]
    record.write_text("[1]")
    with pytest.raises(fetch.FetchError, match="checksums.json: expected checksums as JSON, cannot read it; move"):
        get()
    assert record.read_text() == "[1]", "a record that cannot be read is not thrown away"


@pytest.fixture
def run(server, tmp_path, monkeypatch, capsys):
    """Run the command line on the test's server; return its status, its words and its complaints."""
    entries, product, entry_of = products.products(), cru(server), products.product
    monkeypatch.setattr(products, "product", lambda key: product if key == "cru_tmp" else entry_of(key))
    monkeypatch.setattr(products, "products", lambda: entries)
    monkeypatch.setenv("RECO_PRODUCTS", str(tmp_path / "here"))

    def main(*arguments):
        try:
            status = fetch.main(list(arguments))
        except SystemExit as ended:
            status = ended.code
        out, err = capsys.readouterr()
        assert err.count("\n") <= 1
        return status, out, err

    return main


def test_the_command_fetches_skips_and_verifies(run, server, tmp_path):
    server.put(CRU, GZIP)
    place = tmp_path / "here" / "cru_tmp"
    status, out, _ = run("cru_tmp", "--years", "2000-2018", "--tiles", "h18v04", "--dry-run")
    assert status == 0 and out.count("are of no matter here") == 2 and not place.exists()
    assert f"fetch  {CRU_NAME}  {server.url}{CRU}\ncru_tmp: would fetch 1 of 1 files to {place}\n" in out
    assert run("cru_tmp") == (0, f"cru_tmp: fetched 1 of 1 files to {place}\n", "")
    assert run("cru_tmp") == (0, f"cru_tmp: fetched 0 of 1 files to {place}\n", "")
    assert run("cru_tmp", "--verify") == (0, "cru_tmp: every file is as it was fetched\n", "")
    (place / CRU_NAME).write_bytes(b"other")
    status, out, err = run("cru_tmp", "--verify")
    assert (status, out) == (1, "") and f"{place / CRU_NAME}: expected SHA-256 " in err
    assert f"{len(GZIP):,} bytes as fetched, found 5; remove it" in run("cru_tmp")[2]
    assert "expected files of spei in checksums.json, found none; fetch" in run("spei", "--verify")[2]
    run("cru_tmp", "--to", str(tmp_path / "there"), "--set", "version=4.05", "--connections", "8")
    assert (tmp_path / "there" / "cru_tmp" / CRU_NAME).is_file()


def test_the_list_and_the_steps_of_what_no_command_fetches(run, tmp_path):
    status, out, _ = run("--list")
    assert [status, *(line.split(":")[0] for line in out.splitlines())] == [0, *products.products()]
    assert "cru_tmp: public, 0.3 GB, 3 GB unpacked (version: 4.05, 4.03" in out
    status, out, _ = run("fluxnet2015")
    assert status == 0 and out.startswith("fluxnet2015: a form stands before it\n  1. Make a free account at https://")
    assert out.endswith(f"  Its files belong into {tmp_path / 'here' / 'fluxnet2015'}\n")
    with pytest.raises(fetch.FetchError, match="expected a product to download, but it is behind a form: Make"):
        fetch.get("fluxnet2015", tmp_path)
    path = tmp_path / "fluxnet2015" / "FLX_AT-Neu_FLUXNET2015_SUBSET_2002-2012_1-4.zip"
    path.parent.mkdir()
    path.write_bytes(b"PK")
    assert fetch.get("fluxnet2015", tmp_path) == [path]


def test_a_slip_is_told_in_one_line(run):
    for arguments, said in (
        ((), "expected a product, found none; products are cru_tmp"),
        (("nope",), "product 'nope' is unknown; known are cru_tmp"),
        (("cru_tmp", "--set", "version=9"), "cru_tmp: expected version to be 4.05 or 4.03 or"),
        (("cru_tmp", "--set", "version=4.05", "version=4.03"), "cru_tmp: expected --set version once, found it again"),
        (
            ("mod13a3", "--tiles="),
            "mod13a3: expected tiles such as h18v04 (h00 to h35, v00 to v17), found ''; correct",
        ),
        (("cru_tmp", "--to="), "argument --to: expected a path, found ''; see --help"),
        (("cru_tmp", "--to", "a\0b"), "argument --to: expected a path, found 'a\\x00b'; see --help"),
        (("cru_tmp", "--to", "/" + "a" * 300), "/aaa"),
        (("cru_tmp", "--years", "2018-2000"), "argument --years: expected years such as 2000-2018 or 2001,2005"),
    ):
        status, _, err = run(*arguments)
        assert status == 2 and err.startswith(f"helpers.fetch: {said}")


def test_ctrl_c_ends_a_download_at_once_and_in_one_line(run, server, tmp_path):
    server.put(CRU, GZIP + bytes(2**24), half_way=lambda: os.kill(os.getpid(), signal.SIGINT))
    said = "helpers.fetch: stopped; whole files stay, and the same command fetches the others\n"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background has it ignored
    try:
        assert run("cru_tmp")[::2] == (130, said)
    finally:
        signal.signal(signal.SIGINT, before)
    assert list((tmp_path / "here" / "cru_tmp").iterdir()) == []


# Servers that misbehave: each ends in one line, in bounded time, with no file and no part of one


def answer(*head, body=b"", status="200 OK"):
    """Return an answer as it goes over the line."""
    return "\r\n".join([f"HTTP/1.1 {status}", *head, "", ""]).encode("latin-1") + body


def drip(start, *drops, every=0.01):
    """Return what a server says that gives a little now and then, without end."""

    def parts():
        yield start
        for drop in itertools.cycle(drops):
            threading.Event().wait(every)
            yield drop

    return parts


SIZE = f"Content-Length: {len(GZIP)}"
SLOW = {
    "a byte now and then": ("SLOWEST", drip(answer("Content-Length: 9999999"), b"\x1f")),
    "a chunk's size": ("SLOWEST", drip(answer("Transfer-Encoding: chunked"), b"0")),
    "a trailer": ("SLOWEST", drip(answer("Transfer-Encoding: chunked", body=b"2\r\n\x1f\x8b\r\n0\r\n"), b"X: x\r\n")),
    "a head without end": ("PATIENCE", drip(b"HTTP/1.1 200 OK\r\nX: ", b"x")),
    "going on, going on": ("PATIENCE", drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n")),
    "nothing": ("PATIENCE", drip(b"", b"")),
}


@pytest.mark.parametrize("kind", SLOW)
def test_a_server_that_keeps_one_waiting_is_left(server, refused, monkeypatch, kind):
    limit, said = SLOW[kind]
    monkeypatch.setattr(fetch, limit, 0.3)
    server.put(CRU, raw=said)
    assert {"SLOWEST": "it gave fewer than", "PATIENCE": "no answer came in 0.3 s"}[limit] in refused()


@pytest.mark.parametrize("status", ["302 Found", "503 Busy"])
def test_what_is_said_beside_a_redirect_or_while_busy_is_not_read(server, refused, status):
    server.put(CRU, raw=drip(answer("Location: /nowhere", "Content-Length: 9999", status=status), b"x"))
    assert f"found status {404 if '302' in status else 503}" in refused()


WRONG = {
    "another version's rest": (
        answer(SIZE, 'ETag: "2"', "Content-Range: bytes 5-9/10", body=GZIP, status="206 x"),
        "206",
    ),
    "longer": (answer(f"Content-Length: {len(GZIP) + 1}", body=GZIP), "the connection broke off, 5 times"),
    "negative": (answer("Content-Length: -1", body=GZIP), "expected the file's size .*, found '-1'"),
    "a word": (answer("Content-Length: many", body=GZIP), "expected the file's size .*, found 'many'"),
    "two": (answer("Content-Length: 5", "Content-Length: 6", body=GZIP), "expected one size of the file"),
    "shorter than the file": (answer(f"Content-Length: {len(GZIP) - 1}", body=GZIP), "cut short or damaged; run"),
    "chunks of another name": (answer("Transfer-Encoding: xchunked", body=GZIP), "expected the file's size"),
    "none": (answer(body=GZIP), "expected the file's size .*, found ''"),
    "huge": (answer("Content-Length: 99999999999999999", body=GZIP), "make room, or choose another folder"),
    "beyond numbers": (answer(f"Content-Length: {'9' * 5000}", body=GZIP), "expected the file's size"),
    "half a chunk": (
        answer("Transfer-Encoding: chunked", body=b"ff\r\n" + GZIP[:9]),
        "the connection broke off, 5 times",
    ),
    "half a chunk's size": (answer("Transfer-Encoding: chunked", body=b"ff"), "the connection broke off, 5 times"),
    "no chunk": (
        answer("Transfer-Encoding: chunked", body=b"zz\r\n" + GZIP),
        "expected the size of a chunk, found b'zz",
    ),
    "less than none": (answer("Transfer-Encoding: chunked", body=b"-5\r\n" + GZIP), "the size of a chunk, found b'-5"),
    "all": (answer("Transfer-Encoding: chunked", body=b"-1\r\n" + GZIP), "the size of a chunk, found b'-1"),
    "less than memory": (
        answer("Transfer-Encoding: chunked", body=b"-%x\r\n" % 2**70),
        "the size of a chunk, found b'-4",
    ),
    "half, and no end": (
        answer("Transfer-Encoding: chunked", body=b"9\r\n" + GZIP[:9] + b"\r\n-0\r\n\r\n"),
        "the size of a chunk, found b'-0",
    ),
    "nothing": (b"", "the connection broke off before an answer came; check"),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n", "expected an answer as HTTP has it, found another; run"),
    "no number": (answer(status="OK"), "expected an answer as HTTP has it"),
    "other": (answer(status="999 x"), "found status 999"),
    "many heads": (answer(*(f"X{k}: 1" for k in range(500))), "expected an answer as HTTP has it"),
    "a loop": (
        answer(f"Location: {CRU}", "Content-Length: 0", status="302 x"),
        "it leads on and on, over more than 30",
    ),
    "nowhere": (
        answer("Location: \xff\xfe\x00", "Content-Length: 0", status="302 x"),
        "an address that cannot be read",
    ),
    "no host": (answer("Location: http://[", "Content-Length: 0", status="302 x"), "an address that cannot be read"),
    "no host of the name": (
        answer("Location: https://a..b/x", "Content-Length: 0", status="302 x"),
        "it leads to an address that cannot be read; look at https",
    ),
    "nobody": (
        answer("Location: http://127.0.0.1:1/x", "Content-Length: 0", status="302 x"),
        "cannot be reached; check",
    ),
    "nothing encrypted": (
        answer("Location: https://127.0.0.1:{port}/x", "Content-Length: 0", status="302 x"),
        "expected an encrypted answer with a valid certificate, found none; check",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_an_answer_that_lies_is_refused(server, refused, kind):
    answer, said = WRONG[kind]
    server.put(CRU, raw=answer.replace(b"{port}", str(server.port).encode()))
    assert re.search(said, refused())


def test_a_file_that_changes_between_two_tries_comes_whole(server, get, tmp_path):
    """The second try begins anew: nothing of the first version is kept, and the server isn't asked for a rest."""
    other = gzip.compress(NETCDF[:36] + DATA[::-1], mtime=0)
    server.put(CRU, GZIP, drops=1, headers={"ETag": '"1"'}, half_way=lambda: setattr(server.pages[CRU], "body", other))
    server.pages[CRU].half_way = lambda: server.put(CRU, other, headers={"ETag": '"2"'})
    assert get()[0].read_bytes() == other
    assert len(server.asked) == 2 and not any("Range" in headers for _, headers in server.asked)


@pytest.mark.parametrize(
    ("wish", "waits"),
    [
        ("-1", [2, 4, 8]),
        ("soon", [2, 4, 8]),
        ("", [2, 4, 8]),
        ("9" * 5000, [2, 4, 8]),
        ("1000000000", [60] * 4),
        ("Thu, 01 Jan 1970 00:00:00 GMT", [2, 4, 8]),
        ("Fri, 31 Dec 9999 23:59:59 GMT", [60] * 4),
        ("Fri, 31 Dec 0000 23:59:59 -9999999999", [60] * 4),
    ],
)
def test_a_busy_server_is_waited_for_as_it_wishes_but_not_for_long(server, get, wish, waits):
    server.put(CRU, raw=answer(f"Retry-After: {wish}", "Content-Length: 0", status="503 x"))
    with pytest.raises(fetch.FetchError, match="found status 503"):
        get()
    assert server.waits == waits


def glass(server):
    return here("glass_par", server)


GLASS = "GLASS04B01.V42.A2001001.2020313.hdf"


@pytest.mark.parametrize(
    "charset", ["utf-7", "nonsense", "idna", "hex", "undefined", "punycode", "utf-16", '"\0"', "ä"]
)
def test_whatever_a_page_of_links_says_of_its_letters(server, get, charset):
    serve(server, PAR, [GLASS, "\udcff.hdf".encode(errors="surrogateescape").decode("latin-1")])
    body = server.pages[PAR].body + b"\xff\xfe\x00"
    head = (f"Content-Type: text/html; charset={charset}".encode().decode("latin-1"), f"Content-Length: {len(body)}")
    server.put(PAR, raw=answer(*head, body=body))
    try:
        assert [path.name for path in get(glass(server), years=[2001])] == [GLASS]
    except fetch.FetchError as error:
        assert "as HTTP has it" in str(error) and "\0" in charset


def test_a_page_of_links_has_an_end(server, refused, monkeypatch):
    monkeypatch.setattr(fetch, "LISTING", 2**20)
    server.put(PAR, gzip.compress(bytes(2**24)), headers={"Content-Encoding": "gzip"})
    assert "expected a page of links of at most 1 MiB, found more" in refused(glass(server), years=[2001])
    server.put(PAR, b"no gzip", headers={"Content-Encoding": "gzip"})
    found = "expected what its Content-Encoding says (gzip), found something else"
    assert found in refused(glass(server), years=[2001])
    server.put(PAR, b"<a " * 10**5 + b"<a href='" + b" href" * 10**4)  # which some patterns need days for
    assert "expected links to files" in refused(glass(server), years=[2001])
    monkeypatch.setattr(fetch, "LINKS", 10)
    server.index(PAR, [f"{number}.hdf" for number in range(20)])
    assert "expected at most 10 links, found " in refused(glass(server), years=[2001])
    monkeypatch.setattr(fetch, "SLOWEST", 0.3)
    server.put(PAR, raw=drip(answer(), b"<a href='x'>"))
    assert "it gave fewer than" in refused(glass(server), years=[2001])


def test_links_out_of_a_listings_folder_are_left_out(server, get, refused, tmp_path):
    names = [GLASS.replace("2001001", f"2001{day:03}") for day in range(2, 22)]
    host = f"127.0.0.1:{server.port}"
    out = ["/archive/other/{}", "../{}", "../../../../../etc/{}", "%2e%2e/{}", "%2E%2e%2F{}", "x/%2e%2e/{}", "..\\{}"]
    out += [f"//{host}/other/{{}}", "//evil.example/{}", f"http://me:word@{host}{PAR}{{}}", "javascript:{}", "data:,{}"]
    out += [
        "..;/{}",
        "..%3Bx/{}",
        "file:///etc/{}",
        "ftp://127.0.0.1/{}",
        "http://[/{}",
        "x%5c..%5c{}",
        "a\0{}",
        "a\n{}",
    ]
    links = [link.format(name) for link, name in zip(out, names, strict=True)]
    serve(server, PAR, [*links, *[GLASS] * 3, f"{server.url}{PAR}{names[0]}?x=1"])
    server.put(f"{PAR}{names[0]}?x=1", HDF4)
    assert [path.name for path in get(glass(server), years=[2001])] == [GLASS, names[0]]
    assert not {path for path in server.paths() if not path.startswith(PAR)}


def test_what_a_killed_fetch_left_is_cleared_and_nothing_else(server, get, tmp_path):
    server.put(CRU, GZIP)
    place = tmp_path / "cru_tmp"
    (place / "tmp_folder0").mkdir(parents=True)
    for name in ("tmpab12_xyz", "tmp.nc", "tmpab12_xyzz", "notes", "../.checksums.json.0123abcd.part"):
        (place / name).write_text("x")
    get()
    assert not [*tmp_path.glob("*.part"), *tmp_path.glob(".*.part")]
    assert {path.name for path in place.iterdir()} == {CRU_NAME, "tmp_folder0", "tmp.nc", "tmpab12_xyzz", "notes"}


@pytest.mark.long
def test_a_fetch_that_is_killed_leaves_what_the_next_one_clears(server, get, tmp_path):
    server.put(CRU, GZIP, half_way=lambda: None)
    server.pages[CRU].raw = drip(answer(SIZE) + GZIP[:9999], b"")
    code = f"import sys; sys.path[:0] = {sys.path!r}\n" + (
        "import dataclasses; from helpers import fetch, products\n"
        "entry = products.product('cru_tmp')\n"
        "url = entry.fetch['url'].replace('https://crudata.uea.ac.uk', sys.argv[1])\n"
        "fetch.get(dataclasses.replace(entry, fetch=entry.fetch | {'url': url}), sys.argv[2])"
    )
    process = subprocess.Popen([sys.executable, "-c", code, server.url, str(tmp_path)])
    place = tmp_path / "cru_tmp"
    while not (place.is_dir() and any(path.name.startswith("tmp") for path in place.iterdir())):
        assert process.poll() is None
        threading.Event().wait(0.05)
    process.kill()
    process.wait()
    assert [fetch.LEFT.fullmatch(path.name) is not None for path in place.iterdir()] == [True]
    server.put(CRU, GZIP)
    assert get() == list(place.iterdir())


@pytest.mark.parametrize("years", ["1-999999999", "0001-9999", "1800-2300", "2001,1999", "2000-2999", "0", "9" * 18])
def test_years_that_no_product_can_have_are_refused_at_once(run, years):
    today = datetime.date.today().year
    for product in ("glass_par", "mod13a3"):
        status, _, err = run(product, "--years", years)
        assert status == 2 and f"{product}: expected years from 2000 to {today}, found " in err


@pytest.mark.parametrize("years", ["9" * 5000, "-5", "2000-", "x", "2000-2001-2002", "２０００", "", ",", "2018-2000"])
def test_years_that_are_none_are_refused(run, years):
    status, _, err = run("glass_par", f"--years={years}")
    assert status == 2 and "expected years such as 2000-2018 or 2001,2005, found" in err and len(err) < 300


@pytest.mark.parametrize("years", [range(1, 10**12), [2001.5], ["2001"], [None], [float("inf")], itertools.count(2001)])
def test_years_of_another_kind_are_refused(years):
    with pytest.raises(fetch.FetchError, match="mod13a3: expected years from 2000 to "):
        fetch.plan(products.product("mod13a3"), years=years)


@pytest.mark.parametrize(
    "record",
    [
        "[1]", "1", "null", '"x"', "{", "[" * 10**5, "NaN", '{"a": 1}', '{"a": []}', '{"a": {}}', "\xff", "1" * 9999,
        '{"cru_tmp/x": {"sha256": NaN, "bytes": 1}}',
        f'{{"cru_tmp/x": {{"sha256": "{"0" * 64}", "bytes": "1"}}}}',
        f'{{"cru_tmp/x": {{"sha256": "{"0" * 64}", "bytes": NaN}}}}',
        f'{{"cru_tmp/x": {{"sha256": "{"0" * 64}", "bytes": true}}}}',
        f'{{"cru_tmp/x": {{"sha256": "{"0" * 64}", "bytes": 1, "version": []}}}}',
        f'{{"cru_tmp/../../x": {{"sha256": "{"0" * 64}", "bytes": 1}}}}',
        f'{{"/etc/passwd": {{"sha256": "{"0" * 64}", "bytes": 1}}}}',
        '{"cru_tmp/x": {"sha256": "md5:0", "bytes": 1}}',
    ],
)  # fmt: skip
def test_a_record_of_another_kind_is_told_and_kept(run, tmp_path, record):
    path = tmp_path / "here" / "checksums.json"
    path.parent.mkdir()
    path.write_text(record, encoding="latin-1")
    for arguments in (("cru_tmp",), ("cru_tmp", "--verify")):
        status, _, err = run(*arguments)
        assert status == 2 and f"{path}: expected checksums as JSON, cannot read it; move it away" in err
    assert path.read_text(encoding="latin-1") == record


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes a pipe")
def test_a_record_that_is_a_pipe_or_has_no_end_is_not_waited_for(run, tmp_path, monkeypatch):
    path = tmp_path / "here" / "checksums.json"
    path.parent.mkdir()
    os.mkfifo(path)
    assert "expected checksums as JSON" in run("cru_tmp")[2]
    path.unlink()
    monkeypatch.setattr(fetch, "RECORD", 9)
    path.write_text("{}" + " " * 9)
    assert "expected checksums as JSON" in run("cru_tmp")[2]


def test_a_disk_that_gets_full_half_way_is_told_in_one_line(run, server, tmp_path, monkeypatch):
    server.put(CRU, GZIP)
    full = OSError(errno.ENOSPC, "No space left on device")
    original = pathlib.Path.open

    def opened(path, mode="r", *rest, **how):
        file = original(path, mode, *rest, **how)
        return SimpleFile(file, full) if mode == "xb" else file

    monkeypatch.setattr(pathlib.Path, "open", opened)
    status, _, err = run("cru_tmp")
    assert status == 2 and "cru_tmp: cannot be written (No space left on device); make room there, or choose" in err
    assert list((tmp_path / "here" / "cru_tmp").iterdir()) == []


class SimpleFile:
    """A file on a disk that is full."""

    def __init__(self, file, error):
        self.file, self.error = file, error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, _):
        raise self.error


def test_a_file_without_end_is_left(server, refused, monkeypatch):
    monkeypatch.setattr(fetch, "LARGEST", 2**21)
    chunk = b"10000\r\n" + bytes(2**16) + b"\r\n"
    server.put(CRU, raw=drip(answer("Transfer-Encoding: chunked", body=b"2\r\n\x1f\x8b\r\n"), chunk, every=0))
    assert "found no end" in refused()


# NASA's products: the real catalogue's objects and the real login, which no host sees that it is not for

TOKEN = "hunter2-token"
TILES = ("h17v03", "h18v04")
EVERYONE = "machine 127.0.0.1 login a password one\nmachine localhost login b password two\n"
DEFAULT = "default login c password three\n"
EARTHDATA = "machine urs.earthdata.nasa.gov login me password hunter2\n"
WAY = fetch.way(products.product("mod17a3hgf"))


@pytest.fixture(autouse=True)
def own_netrc(monkeypatch, tmp_path_factory):
    """Start without any login, and write a ~/.netrc in a home of the test's own."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name in ("NETRC", "EARTHDATA_TOKEN", "EARTHDATA_USERNAME", "EARTHDATA_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(earthaccess, "_auth", earthaccess.Auth())
    return (home / ".netrc").write_text


def granule(url, **checksum):
    """Return a granule as the catalogue describes it (UMM-G)."""
    name = url.rsplit("/", 1)[-1]
    about = {"Name": name, "SizeInBytes": 1} | ({"Checksum": checksum} if checksum else {})
    direct = url.replace("http://127.0.0.1", "s3://x")
    links = {"GET DATA": url, "EXTENDED METADATA": f"{url}.cmr.xml", "GET DATA VIA DIRECT ACCESS": direct}
    described = {
        "GranuleUR": name.rsplit(".", 1)[0],
        "DataGranule": {"ArchiveAndDistributionInformation": [about]},
        "RelatedUrls": [{"URL": link, "Type": kind} for kind, link in links.items()],
    }
    meta = {"concept-id": f"G-{name}", "provider-id": "LPCLOUD"}
    return DataGranule({"meta": meta, "umm": described}, cloud_hosted=True)


@pytest.fixture
def archive(server, monkeypatch):
    """A server whose ``granules`` are NASA's whole catalogue, which keeps the ``queries``; a token unlocks it."""
    monkeypatch.setenv("EARTHDATA_TOKEN", TOKEN)
    server.granules, server.queries = [], []

    class Granules:
        def parameters(self, **query):
            server.queries.append(query)
            return self

        def get_all(self):
            assert isinstance(self.session, fetch.Session)
            part = server.queries[-1].get("granule_name", "").strip("*")
            return [one for one in server.granules if part in one["umm"]["GranuleUR"]]

    monkeypatch.setattr(earthaccess, "DataGranules", Granules)
    return server


@pytest.fixture
def tiles(archive):
    """Two years of two tiles in the archive."""
    for year in (2001, 2002):
        for tile in TILES:
            name = f"MOD17A3HGF.A{year}001.{tile}.061.2021{year - 1900}120000.hdf"
            url = archive.put(f"/lp-prod-protected/MOD17A3HGF.061/{name}", HDF4, token=TOKEN)
            archive.granules.append(granule(url))
    return archive


def test_years_and_tiles_are_searched_and_fetched_once(tiles, get, tmp_path):
    found = get("mod17a3hgf", years=[2001], tiles=["h18v04"])
    assert [path.name for path in found] == ["MOD17A3HGF.A2001001.h18v04.061.2021101120000.hdf"]
    assert found == products.find("mod17a3hgf", tmp_path)
    years = {"short_name": "MOD17A3HGF", "version": "061", "temporal": ("2001-01-01", "2001-12-31")}
    assert tiles.queries == [years | {"granule_name": "*.h18v04.*"}]
    other = tiles.put("/x/MOD17A2H.A2001001.h18v04.061.2021001120000.hdf", HDF4)
    tiles.granules.append(granule(other))
    with pytest.warns(UserWarning, match=r"version 061 starts in 2001, so it lacks 2000 \(the paper used 006\)"):
        assert len(get("mod17a3hgf", years=np.arange(2000, 2003))) == 4
    assert len(tiles.asked) == 4
    with pytest.raises(fetch.FetchError, match=r"so it lacks 2000 \(the paper used 006\); ask for 2001 or later"):
        get("mod17a3hgf", years=[2000])
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]


def test_many_tiles_are_one_question(tiles, get):
    many = [f"h{k:02}v{j:02}" for k in range(36) for j in range(18)]
    assert [path.name.split(".")[2] for path in get("mod17a3hgf", years=[2001], tiles=many * 5)] == list(TILES)
    assert tiles.queries == [{"short_name": "MOD17A3HGF", "version": "061", "temporal": ("2001-01-01", "2001-12-31")}]


@pytest.mark.parametrize(
    "change",
    [
        lambda umm: umm.update(DataGranule=[]),
        lambda umm: umm.update(DataGranule={"ArchiveAndDistributionInformation": [1]}),
        lambda umm: umm.update(RelatedUrls=[1]),
        lambda umm: umm.update(RelatedUrls=None),
        lambda umm: umm.update(RelatedUrls=[{"URL": "http://[/x", "Type": "GET DATA"}]),
        lambda umm: umm["DataGranule"]["ArchiveAndDistributionInformation"][0].update(Checksum="x"),
    ],
)
def test_a_catalogue_that_describes_files_in_another_way(tiles, refused, change):
    for one in tiles.granules:
        change(one["umm"])
    said = refused("mod17a3hgf", years=[2001])
    assert "the catalogue of Earthdata describes a file of MOD17A3HGF, 061 in another way" in said


def test_the_archives_own_checksum_is_used(tiles, get, tmp_path):
    url = tiles.granules[0].data_links(access="external")[0]
    tiles.granules[:] = [granule(url, Value="0" * 32, Algorithm="MD5")]
    with pytest.raises(fetch.FetchError, match=f"not match the known hash: expected md5:{'0' * 32} but got "):
        get("mod17a3hgf", years=[2001])
    tiles.granules[:] = [granule(url, Value=hashlib.sha256(HDF4).hexdigest().upper(), Algorithm="SHA-256")]
    (path,) = get("mod17a3hgf", years=[2001])
    (tmp_path / "checksums.json").unlink()
    tiles.granules[:] = [granule(url, Value="0" * 32, Algorithm="MD5")]
    with pytest.raises(fetch.FetchError, match=f"{path.name}: expected checksum md5:{'0' * 32}, found another; remove"):
        get("mod17a3hgf", years=[2001])


def test_a_login_page_or_a_licence_not_accepted(tiles, refused):
    path, page = next(iter(tiles.pages.items()))
    page.body = b"<!DOCTYPE html><title>Earthdata Login</title>"
    for found in ("a web page (such as that of a login)", "status 401"):
        said = refused("mod17a3hgf", years=[2001], tiles=[TILES[0]])
        assert said.startswith(f"mod17a3hgf: {tiles.url}{path}: expected a file") and f"found {found}" in said
        assert (
            "; log in at https://urs.earthdata.nasa.gov, accept the licence (EULA) there or at https://lpdaac" in said
        )
        page.token = "of somebody else"


def test_process_models_go_into_a_folder_each(archive, get, tmp_path):
    names = ["CLM4_SG3_Monthly_TotalResp.nc4", "CLM4_SG3_Monthly_GPP.nc4", "CLM4_BG1_Monthly_TotalResp.nc4"]
    names += ["VISIT_SG3_Monthly_AutoResp.nc4", "VISIT_SG3_Monthly_HeteroResp.nc4"]
    archive.granules += [granule(archive.put(f"/nacp/{name}", NETCDF)) for name in names]
    assert [path.relative_to(tmp_path).as_posix() for path in get("mstmip")] == [
        "mstmip/CLM4/CLM4_SG3_Monthly_TotalResp.nc4",
        "mstmip/VISIT/VISIT_SG3_Monthly_AutoResp.nc4",
        "mstmip/VISIT/VISIT_SG3_Monthly_HeteroResp.nc4",
    ]
    assert archive.queries == [{"doi": "10.3334/ORNLDAAC/1225"}]
    assert len(get("mstmip", options={"experiment": "BG1"})) == 1


# Who sees a login


@pytest.fixture
def other():
    """A second server: the same host, another port."""
    site = Site()
    yield site
    site.close()


@pytest.fixture
def sent(monkeypatch):
    """Answer in place of NASA's servers; keep the method, address and Authorization of every request."""
    asked = []

    def send(adapter, request, **_):
        asked.append((request.method, request.url, request.headers.get("Authorization")))
        answer = requests.Response()
        answer.request, answer.url, answer.connection = request, request.url, adapter
        answer.status_code, told = 200, {"items": [], "access_token": TOKEN, "expiration_date": "never"}
        if request.method == "POST" and request.headers.get("Authorization") != basic("me", "hunter2"):
            answer.status_code, told = 401, {"error": "for hunter2"}
        answer.headers["CMR-Hits"] = "0"
        answer.raw = io.BytesIO(json.dumps(told).encode())
        return answer

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    return asked


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def led_round(server, other, start, end, body):
    """Lead a download over another name and another port of this machine to its end."""
    server.lead("/by-name", f"{other.url}/by-port")
    other.lead("/by-port", server.url + end)
    server.put(end, body)
    return server.lead(start, f"http://localhost:{server.port}/by-name")


@pytest.mark.parametrize("netrc", ["", EVERYONE, DEFAULT], ids=["none", "entries", "default"])
def test_no_redirect_and_no_netrc_shows_a_login_to_whom_it_is_not_for(archive, other, get, own_netrc, netrc):
    own_netrc(netrc)
    led_round(archive, other, CRU, "/end.gz", GZIP)
    assert len(get()) == 1
    assert archive.shown_logins() + other.shown_logins() == []
    path = "/lp-prod-protected/MOD17A3HGF.A2001001.h18v04.061.2021101120000.hdf"
    archive.granules.append(granule(led_round(archive, other, path, "/bucket/signed", HDF4)))
    get("mod17a3hgf", years=[2001])
    assert [len(archive.asked), len(other.asked)] == [6, 2]
    assert archive.shown_logins() + other.shown_logins() == [(path, f"Bearer {TOKEN}")]


def test_a_login_of_netrc_goes_to_earthdata_and_its_token_to_the_archives(sent, own_netrc):
    own_netrc(DEFAULT + EARTHDATA + EVERYONE)
    session = fetch.logged_in(WAY)
    ask = "https://urs.earthdata.nasa.gov/api/users/find_or_create_token"
    assert sent == [("POST", ask, None), ("POST", ask, basic("me", "hunter2"))]
    for host in ("data.lpdaac.earthdatacloud.nasa.gov", "daac.ornl.gov", "nasa.gov"):
        session.get(f"https://{host}/x.hdf")
    for host in ("nasa.gov.example.org", "notnasa.gov", "example.org/nasa.gov", "x.localhost"):
        session.get(f"https://{host}/x.hdf")
    assert [shown for *_, shown in sent[2:]] == [f"Bearer {TOKEN}"] * 3 + [None] * 4


def test_a_search_needs_no_login_and_shows_none(sent, own_netrc):
    own_netrc(DEFAULT + "machine cmr.earthdata.nasa.gov login d password four\n")
    assert list(fetch.search(WAY, products.product("mod17a3hgf"), {"version": "061"}, (2001,), ())) == []
    assert {(url.split("/")[2], shown) for _, url, shown in sent} == {("cmr.earthdata.nasa.gov", None)}


def test_a_login_of_the_environment_is_tried_alone_and_if_refused_not_told(sent, own_netrc, monkeypatch, capfd, caplog):
    own_netrc(EARTHDATA + DEFAULT)
    monkeypatch.setenv("EARTHDATA_USERNAME", "you")
    monkeypatch.setenv("EARTHDATA_PASSWORD", "hunter2")
    with pytest.raises(
        fetch.FetchError, match="earthdata.nasa.gov gave no token for the login of environment"
    ) as error:
        fetch.logged_in(WAY)
    assert [shown for *_, shown in sent] == [None, basic("you", "hunter2")]
    assert "hunter2" not in "".join(traceback.format_exception(error.value)) + "".join(capfd.readouterr()) + caplog.text


@pytest.mark.parametrize(
    ("netrc", "why"),
    [(None, "No .netrc found"), (DEFAULT, "Username not found"), ("# mine\nhunter2 machine x\n", "Unable to parse")],
)
def test_without_a_login_it_says_how_to_get_one(sent, own_netrc, netrc, why):
    if netrc:
        own_netrc(netrc)
    with pytest.raises(fetch.FetchError) as error:
        fetch.logged_in(WAY)
    said = str(error.value)
    assert said.startswith(f"mod17a3hgf: expected an Earthdata login, found none ({why}")
    assert said.endswith(fetch.HOW_TO_LOG_IN) and "hunter2" not in said
    assert sent == []
