"""The record of checksums, and the command line."""

import json
import subprocess
import sys

import pytest
from fetching import CRU, CRU_NAME, GZIP, cru, one_line
from filelock import FileLock

from helpers import fetch
from helpers.fetch import __main__ as command
from helpers.fetch import plans, record
from helpers.workspace import ROOT


@pytest.fixture
def get(server, patience, tmp_path):
    server.put(CRU, GZIP)
    return lambda **how: fetch.get(cru(server), tmp_path, progress=False, patience=patience, **how)


def test_a_file_that_changed_is_found(get, tmp_path):
    (path,) = get()
    assert fetch.verify("cru_tmp", tmp_path) == []
    path.write_bytes(GZIP[:-1] + b"x")
    (said,) = fetch.verify("cru_tmp", tmp_path)
    assert said.startswith(f"{path}: expected SHA-256 ")
    assert said.endswith("it has changed since it was fetched, so remove it and fetch cru_tmp again")
    path.write_bytes(GZIP[:-1])
    with pytest.raises(fetch.FetchError) as error:
        get()
    assert one_line(error) == (
        f"{path}: expected {len(GZIP):,} bytes as fetched, found {len(GZIP) - 1:,}; remove it and run the same again"
    )
    path.unlink()
    assert fetch.verify("cru_tmp", tmp_path) == [
        f"{path}: expected the file that checksums.json lists, found none; fetch cru_tmp again"
    ]
    get()
    assert fetch.verify("cru_tmp", tmp_path) == []


def test_nothing_fetched_is_nothing_to_verify(tmp_path):
    with pytest.raises(fetch.FetchError, match="expected files of cru_tmp in checksums.json, found none; fetch"):
        fetch.verify("cru_tmp", tmp_path)


def test_a_file_that_was_put_there_by_hand_is_noted_and_kept(get, server, tmp_path):
    path = tmp_path / "cru_tmp" / CRU_NAME
    path.parent.mkdir()
    path.write_bytes(GZIP)
    assert get() == [path]
    assert CRU not in server.paths()
    assert fetch.verify("cru_tmp", tmp_path) == []


@pytest.mark.parametrize(
    ("body", "found"), [(b"", "b''"), (b"<html>log in</html>", "a web page"), (b"CDF\x01", "b'CDF")]
)
def test_a_file_that_was_put_there_and_is_none_is_refused(get, tmp_path, body, found):
    path = tmp_path / "cru_tmp" / CRU_NAME
    path.parent.mkdir()
    path.write_bytes(body)
    with pytest.raises(fetch.FetchError) as error:
        get()
    assert one_line(error).startswith(f"{path}: expected gzip, found {found}")
    assert one_line(error).endswith("; remove it")


def test_a_file_that_was_put_there_is_compared_with_its_publishers_checksum(server, patience, tmp_path):
    path = tmp_path / "cru_tmp" / CRU_NAME
    path.parent.mkdir()
    path.write_bytes(GZIP)
    with pytest.raises(fetch.FetchError, match=f"{CRU_NAME}: expected md5:{'0' * 32}, found [0-9a-f]{{32}}; remove it"):
        fetch.get(cru(server, sums={CRU_NAME: f"md5:{'0' * 32}"}), tmp_path, progress=False, patience=patience)


def test_products_share_one_record(get, tmp_path):
    (tmp_path / "checksums.json").write_text(json.dumps({"spei/spei12.nc": {"sha256": "0" * 64, "bytes": 1}}))
    get()
    assert list(json.loads((tmp_path / "checksums.json").read_text())) == [f"cru_tmp/{CRU_NAME}", "spei/spei12.nc"]


def test_two_at_once_lose_nothing_of_each_other(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.nc").write_bytes(b"CDF\x01")
    one, two = record.Record(tmp_path, "a"), record.Record(tmp_path, "b")
    one.add("x.nc", "https://a.org/x.nc?token=1")
    two.add("x.nc", "https://b.org/x.nc")
    one.save()
    two.save()
    kept = json.loads((tmp_path / "checksums.json").read_text())
    assert list(kept) == ["a/x.nc", "b/x.nc"]
    assert kept["a/x.nc"]["url"] == "https://a.org/x.nc"


def test_a_record_that_cannot_be_read_is_not_thrown_away(get, tmp_path):
    (tmp_path / "checksums.json").write_text("{")
    with pytest.raises(fetch.FetchError, match="checksums.json: expected checksums as JSON, cannot read it; move"):
        get()
    assert (tmp_path / "checksums.json").read_text() == "{"


def test_one_process_a_product(get, tmp_path):
    with FileLock(tmp_path / ".cru_tmp.lock"), pytest.raises(fetch.FetchError) as error:
        get()
    assert one_line(error) == (f"{tmp_path / 'cru_tmp'}: another process is fetching cru_tmp; wait until it ends")


@pytest.fixture
def run(server, tmp_path, monkeypatch, capsys):
    """Run the command line on the test's server; return its status, its words and its complaints."""
    product = cru(server)
    known = {**command.products.products(), "cru_tmp": product}
    monkeypatch.setattr(
        command.products, "product", lambda key: known.get(key) or command.products.registry.product(key)
    )
    monkeypatch.setenv("RECO_PRODUCTS", str(tmp_path / "here"))

    def main(*arguments):
        status = command.main(list(arguments))
        told = capsys.readouterr()
        assert told.err.count("\n") <= 1
        return status, told.out, told.err

    return main


def test_the_command_fetches_skips_and_verifies(run, server, tmp_path):
    server.put(CRU, GZIP)
    place = tmp_path / "here" / "cru_tmp"
    assert run("cru_tmp", "--dry-run") == (
        0,
        f"fetch  {CRU_NAME}  {server.url}{CRU}\ncru_tmp: 1 file to {place}, 0 there already; nothing was fetched\n",
        "",
    )
    assert not place.exists()
    assert run("cru_tmp") == (0, f"cru_tmp: fetched 1 file to {place}, 0 there already\n", "")
    assert run("cru_tmp") == (0, f"cru_tmp: fetched 0 files to {place}, 1 there already\n", "")
    assert run("cru_tmp", "--verify") == (0, "cru_tmp: every file is as it was fetched\n", "")
    (place / CRU_NAME).write_bytes(b"other")
    status, out, err = run("cru_tmp", "--verify")
    assert (status, out) == (1, "")
    assert err.startswith(f"helpers.fetch: {place / CRU_NAME}: expected SHA-256 ")


def test_another_folder(run, server, tmp_path):
    server.put(CRU, GZIP)
    run("cru_tmp", "--to", str(tmp_path / "there"))
    assert (tmp_path / "there" / "cru_tmp" / CRU_NAME).is_file()


def test_what_does_not_apply_is_said(run, server):
    server.put(CRU, GZIP)
    _, out, _ = run("cru_tmp", "--years", "2000-2018", "--tiles", "h18v04", "--dry-run")
    assert out.splitlines()[:2] == [
        "cru_tmp: years are of no matter here: each file holds all of them",
        "cru_tmp: tiles are of no matter here: each file is global",
    ]


def test_what_is_behind_a_form_prints_its_steps(run, tmp_path):
    status, out, _ = run("fluxnet2015")
    lines = out.splitlines()
    assert status == 0
    assert lines[0] == "fluxnet2015: a form stands before it"
    assert lines[1].startswith("  1. Make a free account at https://fluxnet.org")
    assert lines[-1] == f"  Its files belong into {tmp_path / 'here' / 'fluxnet2015'}"
    assert run("natural_earth")[1].startswith("natural_earth: nothing to fetch\n  1. The outlines ship with the book")


def test_in_python_a_form_is_an_error_until_its_files_are_there(tmp_path):
    with pytest.raises(fetch.ByHand) as error:
        fetch.get("fluxnet2015", tmp_path)
    assert "fluxnet2015: expected a product to download, but it is behind a form: Make a free account" in one_line(
        error
    )
    path = tmp_path / "fluxnet2015" / "FLX_AT-Neu_FLUXNET2015_SUBSET_2002-2012_1-4.zip"
    path.parent.mkdir()
    path.write_bytes(b"PK")
    assert fetch.get("fluxnet2015", tmp_path) == [path]


def test_the_list_tells_of_every_product(run):
    status, out, _ = run("--list")
    assert status == 0
    assert [line.split(":")[0] for line in out.splitlines()] == list(command.products.products())
    assert "cru_tmp: public, 0.3 GB, 3 GB unpacked (version: 4.05, 4.03" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "expected a product, found none; products are cru_tmp"),
        (("nope",), "product 'nope' is unknown; known are cru_tmp"),
        (("cru_tmp", "--years", "2018-2000"), "--years: expected years such as 2000-2018 or 2001,2005, found '2018"),
        (("cru_tmp", "--set", "version"), "--set: expected name=value, found 'version'"),
        (("cru_tmp", "--set", "version=9"), "cru_tmp: expected version to be 4.05 or 4.03 or"),
        (("cru_tmp", "--set", "size=9"), "cru_tmp: there is no option 'size'; its options are version"),
        (("mod13a3", "--tiles", "h36v04"), "mod13a3: expected tiles such as h18v04 (h00 to h35, v00 to v17)"),
    ],
)  # fmt: skip
def test_a_slip_is_told_in_one_line(run, arguments, said):
    status, _, err = run(*arguments)
    assert status == 2
    assert err.startswith(f"helpers.fetch: {said}")


def test_ctrl_c_keeps_what_has_come(run, server, tmp_path, monkeypatch):
    server.put(CRU, GZIP)

    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(command.transfer, "carry_out", stopped)
    assert run("cru_tmp")[::2] == (
        130,
        "helpers.fetch: stopped; what has come stays, and the same command goes on from there\n",
    )


def test_an_unknown_flag_ends_in_one_line():
    done = subprocess.run(
        [sys.executable, "-m", "helpers.fetch", "--nope"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "helpers.fetch: unrecognized arguments: --nope; see --help\n"


def test_checksums_as_publishers_write_them():
    page = f"# sums\n{'a' * 64}  ./folder/x.nc\n{'B' * 32} *y.hdf\nnothing here\n{'c' * 33}  z.nc\n"
    assert plans.sums_of(page) == {"x.nc": f"sha256:{'a' * 64}", "y.hdf": f"md5:{'b' * 32}"}
