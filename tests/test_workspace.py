"""The corridor between chapters: atomic, typed, and clear about what is missing."""

import time

import dask.array
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from helpers import provenance, workspace
from helpers.space import maps
from helpers.workspace import Workspace


@pytest.fixture
def ws(tmp_path):
    return Workspace("trial", root=tmp_path)


def field():
    return xr.Dataset({"reco": (("lat", "lon"), np.arange(6, dtype="float32").reshape(2, 3))})


def test_datasets_and_tables_come_back_as_they_went(ws):
    for name in ("reco", "samples"):
        ws.write(name, field())
        xr.testing.assert_identical(ws.read(name).load(), field())
    table = pd.DataFrame({"band": ["north", "south"], "share": [0.25, 1 / 3]})
    ws.write("risk", table)
    pd.testing.assert_frame_equal(ws.read("risk"), table)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("by_year", [False, True])
def test_a_zarr_store_warns_neither_its_writer_nor_its_readers_and_is_the_same_each_time(ws, by_year):
    """Also where it grows year by year, and has names, whole numbers and holes in it."""
    kinds, place = ("float32", "int8"), {"lat": [1.0, 0.0], "lon": [5.0], "band": ("lat", ["N", "S"])}
    fields = {f"v{k}": (("year", "lat", "lon"), np.full((1, 2, 1), k, kinds[k % 2])) for k in range(12)}
    years = [xr.Dataset(fields, place | {"year": [year]}) for year in (2000, 2001)]
    years[1] = years[1].assign(v2=years[1].v2.where(years[1].lat > 0))
    written = []
    for _ in range(3):
        if by_year:
            with ws.writing("reco") as folder:
                for annual in years:
                    maps.append_year(folder, annual)
        else:
            ws.write("reco", xr.concat(years, "year", data_vars="all"))
        path = ws.path("reco")
        written.append({p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file()})
    assert written[0] == written[1] == written[2]
    whole = xr.concat(years, "year", data_vars="all")
    assert not by_year or ws.read("reco").v1.encoding["chunks"] == (1, 2, 1), "a year a chunk"
    for read in (ws.read("reco"), xr.open_zarr(path), xr.open_dataset(path, engine="zarr")):
        read.attrs = provenance.without(read.attrs, workspace.artefacts()["reco"].what)
        xr.testing.assert_identical(read.load(), whole)
        assert {name: values.dtype for name, values in read.items()} == {n: v.dtype for n, v in whole.items()}


def test_missing_names_the_chapter(ws):
    with pytest.raises(workspace.MissingArtefact, match="run chapter 05_global_mapping"):
        ws.read("reco")


@pytest.mark.parametrize("name", ["samples", "reco"])
def test_damaged_names_the_file_and_the_way_out(ws, name):
    ws.write(name, field())
    path = ws.path(name)
    for file in [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]:
        file.write_bytes(file.read_bytes()[:7])
    with pytest.raises(workspace.DamagedArtefact, match=f"{path.name}.*run chapter"):
        ws.read(name)


def test_a_failed_write_leaves_the_old_artefact_and_no_litter(ws):
    ws.write("reco", field())
    with pytest.raises(RuntimeError), workspace.writing(ws.path("reco")) as aside:
        aside.mkdir()
        (aside / "half").write_text("…")
        raise RuntimeError
    xr.testing.assert_identical(ws.read("reco").load(), field())
    there = sorted(p.relative_to(ws.folder).as_posix() for p in [*ws.folder.iterdir(), *ws.folder.glob(".state/*")])
    assert there == [".state", ".state/05_global_mapping.json", "reco.zarr"]


def test_a_workspace_name_is_no_path(tmp_path):
    for bad in ("", "../x", ".hidden"):
        with pytest.raises(ValueError, match="plain name"):
            Workspace(bad, root=tmp_path)


def test_lazy_fields_come_into_the_file_in_their_own_order(ws):
    """Fields that threads compute are ready in any order; here the first takes longest, then the last."""

    def slow(block, seconds):
        time.sleep(seconds)
        return block

    def fields(*seconds):
        ones = dask.array.ones((8, 8), chunks=8)
        lazy = (ones.map_blocks(slow, s, dtype=ones.dtype, meta=np.empty((0, 0))) for s in seconds)
        return xr.Dataset({f"v{k}": (("lat", "lon"), values) for k, values in enumerate(lazy)})

    written = []
    for seconds in ((0.2, 0.1, 0.0), (0.0, 0.1, 0.2)):
        ws.write("trends", fields(*seconds))
        written.append(ws.path("trends").read_bytes())
    assert written[0] == written[1]
