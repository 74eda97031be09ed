"""Packed files: what comes out is what went in, nothing escapes, and each way of being broken is told in one line."""

import errno
import gzip
import stat
import tarfile
import zipfile

import numpy as np
import pytest
from netcdf_files import months, write

from helpers import products
from helpers.products import DamagedFile, ProductError, files

DATA = bytes(range(256)) * 40


def zipped(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def refused(path, message, kind=DamagedFile):
    with pytest.raises(kind, match=message) as found, files.opened(path):
        pass
    assert str(found.value).startswith(f"{path}: ") and "\n" not in str(found.value)


@pytest.mark.parametrize(("suffix", "way"), [(".nc", "gz"), (".hdf", "GZ"), (".tif", "zip"), (".csv", "ZIP")])
def test_what_is_packed_is_unpacked_for_a_while(tmp_path, suffix, way):
    path = tmp_path / f"a{suffix}.{way}"
    path.write_bytes(gzip.compress(DATA)) if way.lower() == "gz" else zipped(path, {f"b/a{suffix}": DATA})
    with files.opened(str(path)) as plain:
        assert plain.read_bytes() == DATA and plain.suffix == suffix
        assert tmp_path not in plain.parents and stat.S_IMODE(plain.parent.stat().st_mode) & 0o077 == 0
    assert not plain.parent.exists()


def test_an_archive_of_several_data_files_is_listed(tmp_path):
    path = zipped(tmp_path / "a.nc.zip", {"b.nc": b"", "c.nc": b""})
    refused(path, r"a\.nc\.zip: expected one data file .*found 2 among b.nc, c.nc; unpack it", ProductError)


@pytest.mark.parametrize("name", ["/escaped.nc", "..\\escaped.nc", "x/../../../escaped.nc"])
def test_no_member_leaves_the_folder(tmp_path, name):
    (tmp_path / "inner").mkdir()
    path = zipped(tmp_path / "inner" / "a.zip", {name: DATA})
    before = sorted(tmp_path.parent.rglob("escaped*"))
    with files.opened(path) as plain:
        assert plain.name == "data.nc" and plain.read_bytes() == DATA
    assert sorted(tmp_path.parent.rglob("escaped*")) == before


def test_a_link_is_no_data(tmp_path):
    link = zipfile.ZipInfo("a.nc")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    refused(zipped(tmp_path / "a.nc.zip", {link: "/etc/passwd"}), r"a\.nc is a link, not data; fetch it again")


@pytest.mark.parametrize(
    ("offsets", "way", "message"),
    [((6, 8), lambda flags: flags | 1, "is encrypted"), ((8, 10), lambda _: 97, "method is not supported")],
)
def test_a_member_that_cannot_be_unpacked_here_is_told(tmp_path, offsets, way, message):
    path = zipped(tmp_path / "a.nc.zip", {"a.nc": DATA})
    content = bytearray(path.read_bytes())
    for signature, offset in zip((b"PK\x03\x04", b"PK\x01\x02"), offsets, strict=True):  # both headers
        content[content.index(signature) + offset] = way(content[content.index(signature) + offset])
    path.write_bytes(content)
    refused(path, rf"a\.nc: .*{message}.*; unpack it yourself")


@pytest.mark.parametrize("way", ["gz", "zip"])
def test_random_damage_is_told_or_harmless(tmp_path, way):
    rng, path = np.random.default_rng(5), tmp_path / f"a.nc.{way}"
    path.write_bytes(gzip.compress(DATA)) if way == "gz" else zipped(path, {"a.nc": DATA, "readme": b"x"})
    whole = np.frombuffer(path.read_bytes(), "uint8")
    told = 0
    for _ in range(300):
        damaged = whole.copy()
        damaged[rng.integers(damaged.size, size=3)] = rng.integers(256, size=3)
        path.write_bytes(damaged.tobytes())
        try:
            with files.opened(path) as plain:
                assert plain.read_bytes() == DATA
        except ProductError as error:
            told += 1
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
    assert told > 100


@pytest.mark.parametrize("way", ["gz", "zip"])
def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch, way):
    monkeypatch.setattr(files, "SMALL", 2**16)
    path, content = tmp_path / f"a.nc.{way}", bytes(2**24)
    path.write_bytes(gzip.compress(content)) if way == "gz" else zipped(path, {"a.nc": content})
    refused(path, r"packed bytes that unpack to \d+ or more; fetch it again")


def test_a_full_disk_is_not_taken_for_a_damaged_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_copy", full)
    refused(zipped(tmp_path / "a.nc.zip", {"a.nc": DATA}), "the disk is full; make room", ProductError)


def test_what_is_kept_lies_there_until_it_is_let_go(tmp_path):
    (tmp_path / "a.nc.gz").write_bytes(gzip.compress(DATA))
    unpacked = files.Unpacked(tmp_path / "a.nc.gz")
    plain = unpacked.plain
    assert plain.read_bytes() == DATA and unpacked.path == tmp_path / "a.nc.gz"
    del unpacked
    assert not plain.parent.exists()


def test_readers_take_packed_files_and_refuse_twins(tmp_path):
    values = np.arange(96, dtype="float32").reshape(12, 2, 4) / 10
    plain = write(tmp_path / "cru_ts4.05.1901.2020.tmp.dat.nc", "tmp", values, months(2000, 2000))
    expected = products.read("cru_tmp", tmp_path, years=[2000])
    path = zipped(tmp_path / f"{plain.name}.zip", {plain.name: plain.read_bytes()})
    with pytest.raises(ProductError, match=rf"{path.name}: expected one copy of each file, found {plain.name} too"):
        products.find("cru_tmp", tmp_path)
    with pytest.raises(ProductError, match="remove one of the two"):
        products.read("cru_tmp", [plain, path], years=[2000])
    plain.unlink()
    assert products.read("cru_tmp", tmp_path, years=[2000]).equals(expected)
    assert products.pixel("cru_tmp", path) == "90°"


@pytest.mark.parametrize("name", ["spei12.nc.tar.gz", "spei12.nc.bz2", "everything.zip", "everything.tar.gz"])
def test_what_is_packed_otherwise_is_not_left_out_in_silence(tmp_path, name):
    if name == "everything.zip":
        zipped(tmp_path / name, {"a/spei12.nc": b"x", "a/spei24.nc": b"x"})
    elif name == "everything.tar.gz":
        with tarfile.open(tmp_path / name, "w:gz") as archive:
            archive.addfile(tarfile.TarInfo("a/spei12.nc"))
    else:
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(ProductError, match=f"{name}: .*unpack it"):
            products.read("spei", tmp_path / name, years=[2000])
    (tmp_path / "photos.tar.gz").write_bytes(b"x")
    message = rf"{name}: expected a file named like .*, so it is left out; unpack it"
    with pytest.raises(FileNotFoundError, match=message) as error:
        products.find("spei", tmp_path)
    assert "\n" not in str(error.value) and "photos" not in str(error.value)
    (tmp_path / "spei24.nc").write_bytes(b"x")
    with pytest.warns(UserWarning, match=message):
        assert products.find("spei", tmp_path) == [tmp_path / "spei24.nc"]


def test_a_download_beside_what_was_unpacked_from_it_is_not_told(tmp_path, recwarn):
    for name in ("spei12.nc", "spei12.nc.tar.gz", "notes.zip"):
        (tmp_path / name).write_bytes(b"x")
    assert products.find("spei", tmp_path) == [tmp_path / "spei12.nc"] and not recwarn.list
