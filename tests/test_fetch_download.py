"""A download: broken off and gone on with, refused, compared; never half a file under the final name."""

import json
import os
import signal
import threading

import pytest
from fetching import CRU, CRU_NAME, GZIP, cru, one_line

from helpers import fetch, products
from helpers.fetch.parts import Part


@pytest.fixture
def bring(server, patience, tmp_path):
    """Fetch CRU's temperature from the test's server."""

    def run(**how):
        return fetch.get(cru(server), tmp_path, progress=False, patience=patience, **how)

    return run


@pytest.fixture
def place(tmp_path):
    return tmp_path / "cru_tmp"


def names(place):
    return sorted(path.name for path in place.iterdir())


def test_a_file_lands_where_its_readers_look(bring, server, place, tmp_path):
    server.put(CRU, GZIP, kind="application/x-gzip")
    assert bring() == [place / CRU_NAME]
    assert (place / CRU_NAME).read_bytes() == GZIP
    assert names(place) == [CRU_NAME]
    assert products.find("cru_tmp", tmp_path) == [place / CRU_NAME]


def test_a_gz_stays_packed_whatever_the_server_says_of_its_encoding(bring, server, place):
    server.put(CRU, GZIP, headers={"Content-Encoding": "x-gzip"})
    bring()
    assert (place / CRU_NAME).read_bytes() == GZIP


def test_a_second_call_asks_for_nothing(bring, server):
    server.put(CRU, GZIP)
    first = bring()
    server.asked.clear()
    assert bring() == first
    assert server.asked == []


def test_a_connection_that_breaks_off_is_gone_on_with(bring, server, place, waits):
    server.put(CRU, GZIP, drops=1)
    bring()
    assert (place / CRU_NAME).read_bytes() == GZIP
    first, second = server.headers(CRU)
    assert "Range" not in first
    assert second["Range"] == f"bytes={len(GZIP) // 2}-"
    assert second["If-Range"] == '"one"'
    assert waits == [1.0]
    assert names(place) == [CRU_NAME]


def test_without_an_etag_the_date_tells_whether_it_is_the_same_file(bring, server, place):
    server.put(CRU, GZIP, drops=1, etag='W/"weak"')
    bring()
    assert server.headers(CRU)[1]["If-Range"] == "Mon, 01 Mar 2021 10:51:24 GMT"
    assert (place / CRU_NAME).read_bytes() == GZIP


def test_without_anything_that_tells_a_part_is_not_trusted(bring, server, place):
    server.put(CRU, GZIP, drops=1, etag="", modified="")
    bring()
    assert all("Range" not in headers for headers in server.headers(CRU))
    assert (place / CRU_NAME).read_bytes() == GZIP


def test_a_server_without_ranges_is_asked_for_the_whole_again(bring, server, place):
    server.put(CRU, GZIP, drops=1, ranges=False)
    bring()
    assert len(server.headers(CRU)) == 2
    assert (place / CRU_NAME).read_bytes() == GZIP


def test_a_later_call_goes_on_where_the_first_gave_up(bring, server, place, waits):
    server.put(CRU, GZIP, drops=3, half=0.25)
    with pytest.raises(fetch.FetchError) as error:
        bring()
    said = one_line(error)
    assert said.startswith(f"cru_tmp: {server.url}{CRU}: the connection broke off after ")
    assert said.endswith("in 3 tries; check the connection and run the same again: it goes on from what it has")
    assert waits == [1.0, 2.0], "each wait is twice as long"
    assert not (place / CRU_NAME).exists()
    have = (place / f"{CRU_NAME}.part").read_bytes()
    assert 0 < len(have) < len(GZIP)
    assert GZIP.startswith(have)
    server.asked.clear()
    bring()
    assert [headers["Range"] for headers in server.headers(CRU)] == [f"bytes={len(have)}-"]
    assert (place / CRU_NAME).read_bytes() == GZIP
    assert names(place) == [CRU_NAME]


def test_a_file_that_has_changed_meanwhile_is_taken_anew(bring, server, place):
    server.put(CRU, GZIP, drops=3)
    with pytest.raises(fetch.FetchError):
        bring()
    other = GZIP[:10] + b"another release" + GZIP[10:]
    server.put(CRU, other, etag='"two"')
    bring()
    assert (place / CRU_NAME).read_bytes() == other


def test_a_part_of_another_address_or_longer_than_the_file_is_not_gone_on_with(tmp_path):
    part = Part(tmp_path / "a.nc")
    part.begin("https://a.org/1", '"x"', 10)
    part.path.write_bytes(b"12345")
    assert part.offer("https://a.org/1") == (5, '"x"')
    assert part.offer("https://a.org/2") == (0, "")
    part.path.write_bytes(b"x" * 11)
    assert part.offer("https://a.org/1") == (0, "")
    (tmp_path / "a.nc.part.json").write_text("{")
    assert part.offer("https://a.org/1") == (0, "")


def _part(place, body, size, validator='"one"', url=""):
    place.mkdir(parents=True, exist_ok=True)
    part = Part(place / CRU_NAME)
    part.begin(url, validator, size)
    part.path.write_bytes(body)


def test_a_part_that_is_whole_already_becomes_the_file(bring, server, place):
    url = server.put(CRU, GZIP)
    _part(place, GZIP, len(GZIP), url=url)
    bring()
    assert len(server.asked) == 1, "the server says 416: there is nothing beyond"
    assert (place / CRU_NAME).read_bytes() == GZIP


def test_a_part_that_is_longer_than_what_there_is_now_starts_over(bring, server, place):
    url = server.put(CRU, GZIP)
    _part(place, GZIP + b"more", None, url=url)
    bring()
    assert (place / CRU_NAME).read_bytes() == GZIP


def test_another_range_than_was_asked_for_starts_over(bring, server, place):
    url = server.put(CRU, GZIP, wrong_range=True)
    _part(place, GZIP[:100], len(GZIP), url=url)
    bring()
    assert (place / CRU_NAME).read_bytes() == GZIP


def test_a_wrong_part_is_found_by_its_checksum_and_fetched_from_the_start(server, patience, tmp_path, place):
    import pooch

    url = server.put(CRU, GZIP)
    _part(place, b"\x1f\x8b" + bytes(98), len(GZIP), url=url)
    (tmp_path / "whole").write_bytes(GZIP)
    sums = {CRU_NAME: f"sha256:{pooch.file_hash(tmp_path / 'whole')}"}
    fetch.get(cru(server, sums=sums), tmp_path, progress=False, patience=patience)
    assert (place / CRU_NAME).read_bytes() == GZIP


def test_a_body_without_a_length_is_taken_and_an_empty_one_is_not(bring, server, place):
    server.put(CRU, GZIP, length=False)
    bring()
    assert (place / CRU_NAME).read_bytes() == GZIP
    (place / CRU_NAME).unlink()
    server.put(CRU, b"")
    with pytest.raises(fetch.FetchError, match="expected a file, found 0 bytes, in 3 tries"):
        bring()
    assert names(place) == []


def test_a_server_that_falls_silent_is_left(bring, server, place):
    server.put(CRU, GZIP, stalls=True)
    with pytest.raises(fetch.FetchError) as error:
        bring(timeout=(1.0, 0.05))
    came = (place / f"{CRU_NAME}.part").stat().st_size
    assert f"nothing more came after {came:,} of {len(GZIP):,} bytes, in 3 tries" in one_line(error)
    assert came == pytest.approx(7 / 8 * len(GZIP), abs=3), "half of what was missing came each time"
    assert names(place) == [f"{CRU_NAME}.part", f"{CRU_NAME}.part.json"]


def test_a_busy_server_is_asked_later_as_it_wishes(bring, server, waits):
    server.put(CRU, GZIP, busy=2, busy_status=429)
    bring()
    assert waits == [1.0, 2.0]


def test_a_kill_leaves_no_half_file(bring, server, place, monkeypatch):
    server.put(CRU, GZIP)

    def killed(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        bring()
    assert not (place / CRU_NAME).exists()
    monkeypatch.undo()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    bring()
    assert (place / CRU_NAME).read_bytes() == GZIP


def test_what_has_come_is_on_the_disk_before_it_takes_its_name(bring, server, place, monkeypatch):
    server.put(CRU, GZIP)
    seen = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.append((place / CRU_NAME).exists()))
    bring()
    assert seen == [False]


def test_ctrl_c_gives_no_file_its_name_and_keeps_what_has_come(bring, server, place):
    heard = threading.Event()

    def interrupt(*_):
        heard.set()
        raise KeyboardInterrupt

    def press():
        os.kill(os.getpid(), signal.SIGINT)
        heard.wait(10)
        server.closing.wait(0.3)

    before = signal.signal(signal.SIGINT, interrupt)
    server.put(CRU, GZIP, half_way=press)
    try:
        with pytest.raises(KeyboardInterrupt):
            bring()
    finally:
        signal.signal(signal.SIGINT, before)
    have = (place / f"{CRU_NAME}.part").read_bytes()
    assert have
    assert GZIP.startswith(have)
    assert not (place / CRU_NAME).exists()
    server.put(CRU, GZIP)
    bring()
    assert server.headers(CRU)[1]["Range"] == f"bytes={len(have)}-"
    assert (place / CRU_NAME).read_bytes() == GZIP


def test_the_first_download_is_recorded_without_anything_secret(bring, server, tmp_path):
    server.put(CRU, GZIP)
    bring()
    kept = json.loads((tmp_path / "checksums.json").read_text())
    assert list(kept) == [f"cru_tmp/{CRU_NAME}"]
    entry = kept[f"cru_tmp/{CRU_NAME}"]
    assert entry["bytes"] == len(GZIP)
    assert entry["url"] == server.url + CRU
    assert entry["version"] == "4.05"
