"""Chapter 1 on a folder of product files that is not as the paper's: it goes on with what there is, and says so."""

import re
import shutil

import numpy as np
import papermill
import pytest
import rasterio
import xarray as xr

from helpers import products
from helpers.workspace import Workspace


def as_soilgrids_2(folder, paths):
    """Write each depth of SoilGrids 2017 as an interval of SoilGrids 2.0 that is equally rich."""
    for path, interval in zip(paths, ("0-5", "5-15", "15-30", "30-60"), strict=True):
        with rasterio.open(path) as file:
            values, profile = file.read(1), file.profile
        stored = np.where(values == -32768, -32768, 10 * values).astype("int16")
        with rasterio.open(folder / f"soc_{interval}cm_mean.tif", "w", **profile) as file:
            file.write(stored, 1)


@pytest.fixture(scope="module")
def folder(exact, tmp_path_factory):
    """The small planet's files, but NPP is of the edition that begins in 2001, soil is 2.0, and SPEI is lacking."""
    made, files, _ = exact
    folder = tmp_path_factory.mktemp("products")
    for product in ("cru_tmp", "cru_pre", "cru_pet", "glass_par", "glass_lai", "glass_fapar", "mod13a3", "mcd12c1"):
        shutil.copytree(made / product, folder / product)
    for product in ("mod17a3hgf", "soilgrids2"):
        (folder / product).mkdir()
    for path in files["mod17a3hgf"]:
        if ".A2000" not in path.name:
            shutil.copy(path, folder / "mod17a3hgf")
    as_soilgrids_2(folder / "soilgrids2", files["soilgrids2017"])
    return folder


@pytest.fixture
def run(folder, run_chapter, tmp_path):
    """Run chapter 1 on the folder; return the text of its tables, and its workspace."""

    def run(**changed):
        values = {"profile": "small", "data_folder": str(folder), "resolution": 6.0, "last_year": 2003}
        values |= {"allow_partial": True, "spei_from": "computed", "soil_product": "soilgrids2"} | changed
        done = run_chapter("01_data_preparation", tmp_path, **values)
        outputs = [out for cell in done.cells if cell.cell_type == "code" for out in cell.outputs]
        shown = "\n".join(out.get("data", {}).get("text/plain", "") for out in outputs)
        return shown, Workspace("small", root=tmp_path)

    return run


def test_what_an_edition_lacks_is_left_out_and_what_is_lacking_is_computed(exact, run):
    shown, ws = run()
    assert re.search(r"2001 +2003 +mod17a3hgf \(2001\)", shown)
    assert re.search(r"SPEI, computed here +4\.05 +4\.05 +yes", shown)
    predictors, static = (ws.read(name) for name in ("predictors", "static"))
    assert predictors.year.values.tolist() == [2001, 2002, 2003]
    truth = exact[2].sel(year=predictors.year)
    known = (predictors.npp > 0) & truth.gpp.notnull()
    assert known.any() and (predictors.gpp.isnull() == predictors.npp.isnull()).all()
    assert np.corrcoef(predictors.gpp.values[known], truth.gpp.values[known])[0, 1] > 0.9  # pixels lie between cells
    for scale in (12, 24, 36):
        index, true = predictors[f"spei{scale}"].values, truth[f"spei{scale}"].values
        both = np.isfinite(index) & np.isfinite(true)
        assert both.sum() > 100
        np.testing.assert_allclose(index[both], true[both].clip(-3, 3), atol=1e-4)
    assert "stand" in static.soc_0.attrs["comment"]
    values = xr.Dataset({name: static[name] for name in ("soc_0", "soc_5", "soc_15", "soc_30")}).to_array()
    assert (values.diff("variable").fillna(-1) <= 0).all()  # less carbon further down, as in the files


def test_a_year_that_an_edition_lacks_can_be_insisted_on(run, tmp_path):
    with pytest.raises(papermill.PapermillExecutionError) as error:
        run(missing_years="refuse")
    assert "6.1 begins in 2001" in error.value.evalue and "\n" not in error.value.evalue
    assert not Workspace("small", root=tmp_path).has("predictors")


def test_a_files_pixels_are_as_large_as_it_was_written(exact):
    _, files, _ = exact
    sizes = {"cru_tmp": 30.0, "spei": 30.0, "glass_par": 6.0, "soilgrids2017": 2.0, "mcd12c1": 6.0}
    expected = {name: f"{size:g}°" for name, size in sizes.items()}
    metres = np.deg2rad(180 / 75) * 6371007.181  # of the sinusoidal grid, along a meridian
    expected |= dict.fromkeys(("mod13a3", "mod17a3hgf"), f"{metres / 1000:.3g} km")
    assert {name: products.pixel(name, files[name][0]) for name in expected} == expected
    with pytest.raises(products.ProductError, match="expected a file with pixels"):
        products.pixel("fluxnet2015", files["fluxnet2015"][0])
