"""What goes wrong is said in one line that names the product, the address and the remedy; and tells no secret."""

import errno
import io
import json
import logging
import shutil
import traceback
from pathlib import Path

import pooch
import pytest
from fetching import CRU, CRU_NAME, GZIP, cru, one_line

from helpers import fetch
from helpers.fetch import addresses, errors

LOGIN_PAGE = b"\n<!DOCTYPE html><html><head><title>Log in</title></head><body>Please log in</body></html>"
PAGE = "https://crudata.uea.ac.uk/cru/data/hrg/"


@pytest.fixture
def refused(server, patience, tmp_path):
    """Fetch CRU's temperature, which fails; return what is said, and see that no file is there."""

    def run(folder=tmp_path, **changes):
        with pytest.raises(fetch.FetchError) as error:
            fetch.get(cru(server, **changes), folder, progress=False, patience=patience)
        assert not (tmp_path / "cru_tmp" / CRU_NAME).exists()
        return one_line(error)

    return run


def test_nothing_there(server, refused):
    assert refused() == (
        f"cru_tmp: {server.url}{CRU}: expected it to be there, found nothing (404); look where {PAGE} has it now, and "
        "correct 'fetch' of cru_tmp in data/products.yml"
    )


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_login_page_in_the_files_place(server, refused, kind):
    server.put(CRU, LOGIN_PAGE, kind=kind)
    assert refused() == (
        f"cru_tmp: {server.url}{CRU}: expected a file, found a web page (such as that of a login); open {PAGE} in a "
        "browser, log in or accept the licence there, and put the files in place by hand"
    )


def test_a_redirect_to_a_login(server, refused):
    server.put("/oauth/authorize?client=1", b"who are you?", kind="text/plain")
    server.put(CRU, status=302, headers={"Location": "/oauth/authorize?client=1"})
    assert "found a web page (such as that of a login)" in refused()


@pytest.mark.parametrize("status", [401, 403])
def test_no_entry(server, refused, status):
    server.put(CRU, b"no", status=status)
    assert f"expected to be let in, found status {status}; open {PAGE} in a browser" in refused()


@pytest.mark.parametrize("target", ["http://example.org/x.gz", "https://127.0.0.1/x.gz", "ftp://127.0.0.1/x.gz"])
def test_a_redirect_to_another_scheme_or_out_of_encryption(server, refused, target):
    server.put(CRU, status=302, headers={"Location": target})
    said = refused()
    assert said == (
        f"cru_tmp: {server.url}{CRU}: expected a redirect that stays encrypted and names no user, found one to "
        f"{target}; look where {PAGE} has the file now"
    )


@pytest.mark.parametrize(
    ("start", "target", "stays"),
    [
        ("https://a.org/x", "https://b.org/x", True),
        ("https://a.org/x", "http://a.org/x", False),
        ("https://a.org/x", "http://127.0.0.1/x", False),
        ("https://a.org/x", "file:///etc/passwd", False),
        ("https://a.org/x", "https://me:secret@a.org/x", False),
        ("http://127.0.0.1/x", "http://localhost/x", True),
        ("http://127.0.0.1/x", "http://a.org/x", False),
    ],
)
def test_an_encrypted_address_leads_to_encrypted_ones_only(start, target, stays):
    assert addresses.may_lead_to(start, target) is stays


def test_a_redirect_that_stays_is_followed(server, patience, tmp_path):
    server.put("/mirror.gz", GZIP)
    server.put(CRU, status=302, headers={"Location": "/mirror.gz", "Content-Disposition": "filename=../../evil"})
    found = fetch.get(cru(server), tmp_path, progress=False, patience=patience)
    assert [path.name for path in found] == [CRU_NAME]


def test_redirects_without_end(server, refused):
    server.put(CRU, status=302, headers={"Location": CRU})
    assert "found redirects without end" in refused()


def test_another_format(server, refused):
    server.put(CRU, b"CDF\x01 unpacked")
    assert f"{CRU}: expected gzip, found b'CDF\\x01' at its start; look at {PAGE}" in refused()


def test_a_server_that_is_down(server, refused):
    server.put(CRU, GZIP, busy=9)
    assert "the server answers with status 503, in 3 tries; check the connection and run the same again" in refused()


def test_a_server_that_is_not_there(server, refused):
    server.close()
    assert f"{CRU}: the server cannot be reached, in 3 tries" in refused()


def test_any_other_status(server, refused):
    server.put(CRU, b"", status=451)
    assert "expected a file, found status 451; look at" in refused()


def test_a_wrong_checksum(server, refused, tmp_path):
    server.put(CRU, GZIP)
    told = f"sha256:{'0' * 64}"
    said = refused(sums={CRU_NAME: told})
    (tmp_path / "whole").write_bytes(GZIP)
    assert said == (
        f"cru_tmp: {server.url}{CRU}: expected checksum {told}, found {pooch.file_hash(tmp_path / 'whole')}; its "
        f"publisher gives the first; the file was removed, so try again, or look at {PAGE}"
    )
    assert list((tmp_path / "cru_tmp").iterdir()) == []


def test_another_checksum_than_at_the_first_download(server, patience, tmp_path, refused):
    server.put(CRU, GZIP)
    fetch.get(cru(server), tmp_path, progress=False, patience=patience)
    first = json.loads((tmp_path / "checksums.json").read_text())[f"cru_tmp/{CRU_NAME}"]["sha256"]
    (tmp_path / "cru_tmp" / CRU_NAME).unlink()
    server.put(CRU, GZIP + b"\0", etag='"two"')
    said = refused()
    assert f"expected checksum sha256:{first}, found " in said
    assert said.endswith("if its publisher has replaced it, delete its lines from checksums.json and try again")


def test_a_full_disk_is_seen_before_the_download(server, refused, monkeypatch, tmp_path):
    server.put(CRU, GZIP)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 100))
    path = tmp_path / "cru_tmp" / CRU_NAME
    assert refused() == (f"{path}: expected 0.0 GiB of room, found 0.0; make room, or choose another folder")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "the disk is full; make room, or choose another folder, and run the same again"),
        (errno.EACCES, "you may not write there; choose another folder"),
        (errno.EIO, "Input/output error; choose another folder"),
    ],
)
def test_a_disk_that_fails_while_it_is_written(tmp_path, number, said):
    def fail():
        raise OSError(number, "Input/output error")

    with pytest.raises(fetch.FetchError) as error, errors.writing_to(tmp_path / "x"):
        fail()
    assert one_line(error) == f"{tmp_path / 'x'}: cannot be written: {said}"


def test_a_disk_that_fills_while_a_file_comes(server, refused, monkeypatch):
    server.put(CRU, GZIP)
    opened = Path.open

    class Full(io.FileIO):
        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    def full(path, *how, **named):
        return Full(path, "r+") if path.name.endswith(".part") and "r+b" in how else opened(path, *how, **named)

    monkeypatch.setattr(Path, "open", full)
    assert f"{CRU_NAME}.part: cannot be written: the disk is full" in refused()


def test_a_folder_that_is_a_file(server, refused, tmp_path):
    server.put(CRU, GZIP)
    (tmp_path / "file").write_text("")
    said = refused(tmp_path / "file")
    assert said.endswith("cannot be written: a file stands where a folder is needed; choose another folder")


def test_addresses_that_are_not_asked(server, refused):
    secret = "http://me:hunter2@127.0.0.1/{file}"
    with pytest.raises(ValueError) as error:
        fetch.plan(cru(server, url=secret))
    said = one_line(error)
    assert said == f"http://127.0.0.1/{CRU_NAME}: expected an address without user and password; keep those in ~/.netrc"
    for url in ("http://example.org/{file}", "ftp://127.0.0.1/{file}", "file:///{file}", "{file}"):
        with pytest.raises(ValueError, match="expected an https address"):
            fetch.plan(cru(server, url=url))


@pytest.mark.parametrize(
    "name", ["../x.nc", "a/b.nc", ".hidden", "", "a\\b", "con", "NUL.nc", "a..b", "x\n.nc", "x.nc\n", "ä.nc"]
)
def test_names_that_are_not_written(name):
    with pytest.raises(ValueError, match="expected a plain file name"):
        addresses.plain_name(name)


def test_no_error_log_or_traceback_holds_a_query_or_password(server, patience, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    server.put("/signed.gz?Signature=hunter2", b"", status=403)
    server.put(CRU, status=302, headers={"Location": "/signed.gz?Signature=hunter2"})
    with pytest.raises(fetch.FetchError) as error:
        fetch.get(cru(server), tmp_path, progress=False, patience=patience)
    assert "found status 403" in one_line(error)
    told = "".join(traceback.format_exception(error.value))
    assert "hunter2" not in told
    assert not [record for record in caplog.records if record.name == "pooch"]
