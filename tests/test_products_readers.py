"""The processes that read HDF4 files: what becomes of them, of those who wait for them, and of what they found."""

import multiprocessing
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from eos_files import lai_globe, npp_tile

from helpers import products, tasks
from helpers.products import DamagedFile, hdf4, rasters, readers
from helpers.space.grid import Grid

STORED = np.arange(12, dtype="uint8").reshape(3, 4)[:, :2].repeat(2, 0)


@pytest.fixture
def pool(monkeypatch):
    """Give a function that puts so many readers in place of those of this process."""
    used = []

    def of(count):
        monkeypatch.setenv("OMP_NUM_THREADS", str(count))
        used.append(readers.Pool())
        monkeypatch.setattr(readers, "_pool", used[-1])
        return used[-1]

    yield of
    for one in used:
        for reader in one.free:
            reader.end()


def instead(monkeypatch, on_read):
    """Let readers do something else when they are asked for numbers; what they say before that is as usual."""
    code = f"""
        import os, signal, sys, time
        sys.path.insert(0, {str(Path(hdf4.__file__).parent)!r})
        import hdf4
        def read(field, plain, *rest):
            if "bad" in str(plain):
                {on_read}
            return usual(field, plain, *rest)
        usual, hdf4.read = hdf4.read, read
        hdf4.main()
    """
    monkeypatch.setattr(readers, "COMMAND", [sys.executable, "-c", textwrap.dedent(code)])


def beside(tmp_path):
    good = lai_globe(tmp_path, 2001, 1, STORED)
    bad = good.with_name("bad.hdf")
    bad.write_bytes(good.read_bytes())
    return good, bad


@pytest.mark.parametrize("end", ["os.abort()", "os._exit(0)"])
def test_a_reader_that_ends_over_a_file_is_replaced_and_the_file_named(tmp_path, monkeypatch, pool, end):
    instead(monkeypatch, end)
    (good, bad), _ = beside(tmp_path), pool(1)
    for _ in range(2):
        np.testing.assert_array_equal(rasters.read_hdf4(good, "LAI").stored, STORED)
        with pytest.raises(DamagedFile, match=r"bad\.hdf: cannot be read: the HDF4 library ended .*fetch it again$"):
            rasters.read_hdf4(bad, "LAI")


def test_a_reader_that_hangs_is_given_up_while_others_go_on(tmp_path, monkeypatch, pool):
    instead(monkeypatch, "time.sleep(1000)")
    monkeypatch.setattr(readers, "PATIENCE", 6)  # the others may have to wait for a core
    (good, bad), _ = beside(tmp_path), pool(2)

    def found(path):
        try:
            return rasters.read_hdf4(path, "LAI").stored.tolist()
        except DamagedFile as error:
            return str(error)

    first, *others = tasks.each(found, [bad, good, good, good], here=True)
    assert first.startswith(f"{bad}: cannot be read: the HDF4 library took more than 6 s over it")
    assert others == [STORED.tolist()] * 3


@pytest.mark.skipif(os.name != "posix", reason="counts the processor's time by a signal")
def test_a_reader_that_loops_is_given_up_by_the_processors_time(tmp_path, monkeypatch, pool):
    instead(monkeypatch, "while True: pass")
    monkeypatch.setattr(readers, "WORK", 1)
    (good, bad), _ = beside(tmp_path), pool(1)
    with pytest.raises(DamagedFile, match=r"bad\.hdf: .* library worked for more than 1 s over it"):
        rasters.read_hdf4(bad, "LAI")
    np.testing.assert_array_equal(rasters.read_hdf4(good, "LAI").stored, STORED)


def test_a_reader_killed_between_files_is_replaced(tmp_path, pool):
    (good, _), one = beside(tmp_path), pool(1)
    rasters.read_hdf4(good, "LAI")
    (reader,) = one.free
    reader.process.kill()
    reader.process.wait()
    np.testing.assert_array_equal(rasters.read_hdf4(good, "LAI").stored, STORED)


@pytest.mark.parametrize("method", ["nearest", "average"])
def test_results_are_the_same_to_the_last_bit_with_one_reader_and_with_three(tmp_path, pool, method):
    rng = np.random.default_rng(4)
    for day in range(1, 90, 8):
        lai_globe(tmp_path, 2001, day, rng.integers(0, 110, (45, 90)))
    for k in range(4):
        npp_tile(tmp_path, 2001, rng.integers(0, 33000, (60, 60)), hv=(17 + k % 2, 8 + k // 2))
    found = []
    for count in (1, 3):
        one = pool(count)
        lai = products.read("glass_lai", products.find("glass_lai", tmp_path), years=[2001], dates_per_year=12).lai
        how = {"years": [2001], "grid": Grid(0.5), "method": method}
        npp = products.read("mod17a3hgf", products.find("mod17a3hgf", tmp_path), **how).npp
        found.append((lai.values.tobytes(), npp.values.tobytes()))
        assert 1 <= len(one.free) <= count
    assert found[0] == found[1]


def test_a_field_too_large_to_be_one_is_refused_before_there_is_room_for_it(tmp_path):
    with (tmp_path / "a").open("w+b") as target:
        for shape in ([2**31 - 1, 2**31 - 1], [0, 5]):
            with pytest.raises(ValueError, match="bytes"):
                hdf4.shared(target, shape, np.dtype("u1"))
        assert target.seek(0, 2) == 0


def read_there(path, out):
    out.put(rasters.read_hdf4(path, "LAI").stored.tolist())


def test_a_process_that_may_start_none_by_multiprocessing_reads(tmp_path):
    """Dask's workers under a nanny are such."""
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    one = context.Process(target=read_there, args=(beside(tmp_path)[0], out), daemon=True)
    one.start()
    assert out.get(timeout=120) == STORED.tolist()
    one.join()


@pytest.mark.skipif(os.name != "posix", reason="ends a process by a signal")
def test_readers_end_with_who_started_them_and_leave_no_memory_behind(tmp_path):
    good, _ = beside(tmp_path)
    code = f"""
        import os, signal
        from pathlib import Path
        from helpers.products import rasters, readers
        held = rasters.read_hdf4(Path({str(good)!r}), "LAI")
        print(readers._pool.free[0].process.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    memory = tmp_path / "memory"
    memory.mkdir()
    code = textwrap.dedent(code).replace("held =", f"readers.MEMORY = Path({str(memory)!r}); held =")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    reader = int(done.stdout)
    for _ in range(100):
        try:
            os.kill(reader, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("the reader is still there")
    assert not [*memory.iterdir()]
