"""Chapter 2 on the real table of site-years, whose samples pandas alone would choose, and on an untidy folder."""

import numpy as np
import pandas as pd
import papermill
import pytest
from tower_files import sites, steady, write, yearly

from helpers.space.grid import Grid, empty
from helpers.workspace import Workspace


def expected(folder):
    """The site-years that the rules leave, without any helper: SPEI36 is there from 2003, at sites with a climate."""
    table = pd.read_csv(folder / "fluxnet2015_site_years.csv")
    climate = set(pd.read_csv(folder / "fluxnet2015_monthly_climate.csv.gz").site)
    good = (table.nee_qc >= 0.5) & (table.reco_nt > 10) & (table.reco_nt < 5000)
    good &= (table.lai_months >= 10) & (table.evi_months >= 10) & table.soc_0_30_w4.notna()
    return table[good & (table.year >= 2003) & table.site.isin(climate)]


def test_real_table_gives_790_site_years_of_140_sites(real_data, real_samples):
    ws, chosen = real_samples, expected(real_data)
    samples, dropped = ws.read("samples"), ws.read("dropped")
    assert samples.sizes["sample"] == len(chosen) == 790 and len(set(samples.site.values)) == 140
    assert set(zip(samples.site.values, samples.year.values, strict=True)) == set(
        zip(chosen.site, chosen.year, strict=True)
    )
    np.testing.assert_allclose(samples.reco, chosen.reco_nt / 1000)
    assert samples.window.notnull().all() and samples.window.dtype == np.float32
    for name, column in {"mat": "mat", "par": "shortwave", "evi": "evi"}.items():
        nine = samples.window.sel(predictor=name).values.reshape(-1, 9)
        np.testing.assert_allclose(nine, np.tile(chosen[column].to_numpy()[:, None], 9), rtol=1e-6)
    soc = chosen[[f"soc_0_30_w{k}" for k in range(9)]].to_numpy()
    soc = np.where(np.isnan(soc), soc[:, 4:5], soc)
    np.testing.assert_array_equal(samples.window.sel(predictor="soc_0_30").values.reshape(-1, 9), soc)
    assert dropped["lost"].sum() + 790 == 1436 and dropped["left"].iloc[-1] == 790
    assert ws.read("site_years").sizes["sample"] == 1436


def test_a_table_cut_short_stops_the_chapter_in_one_line(real_data, sites_profile, run_chapter, tmp_path):
    content = (real_data / "fluxnet2015_site_years.csv").read_bytes()[:100_000]
    (tmp_path / "cut.csv").write_bytes(content[: content.rindex(b",")])
    values = sites_profile["common"] | sites_profile["02_site_sampling"] | {"towers_table": str(tmp_path / "cut.csv")}
    with pytest.raises(papermill.PapermillExecutionError) as error:
        run_chapter("02_site_sampling", tmp_path, profile="sites", **values)
    assert error.value.ename == "DamagedFile" and "cut.csv: row" in error.value.evalue
    assert "\n" not in error.value.evalue and not Workspace("sites", root=tmp_path).has("samples")


@pytest.fixture
def untidy(tmp_path):
    """Workspace with a planet of one predictor, and a folder of tower files with all that can be wrong in one."""
    grid = Grid(10)
    field = (empty(grid).fillna(1.0) + empty(grid).fillna(0.0).lat / 100).expand_dims(year=[2001, 2002, 2003])
    ws = Workspace("small", root=tmp_path)
    ws.write("predictors", field.astype("float32").assign_attrs(units="degC").to_dataset(name="mat"))
    ws.write("static", empty(grid).fillna(4).astype("int8").to_dataset(name="igbp"))
    write(tmp_path, "AA-One", table=steady(2001, 2003, 400.0))
    write(tmp_path, "AA-One", "SUBSET", steady(2001, 2002, 300.0), "1-3", (2001, 2002))
    write(tmp_path, "BB-Two", table=pd.concat([steady(2001, 2003, 600.0), steady(2003, 2003, 900.0)]))
    write(tmp_path, "CC-Tri", table=yearly(reco=(-50.0, -9999, 700.0), qc=(0.9, 0.9, 0.9)))
    write(tmp_path, "DD-Two")
    sites(tmp_path, ("DD-Two", 1, 1, "EBF"), ("DD-Two", 50, 1, "EBF"), **{"AA-One": (51.5, 10.25, "DBF")})
    return ws, {"profile": "small", "data_folder": str(tmp_path), "channels": ["mat"]}


def test_the_losses_add_up_from_the_rows_of_the_files(untidy, run_chapter, tmp_path):
    ws, values = untidy
    sites(
        tmp_path,
        ("DD-Two", 1, 1, "EBF"),
        ("DD-Two", 50, 1, "EBF"),
        **{"AA-One": (51.5, 10.25, "DBF"), "BB-Two": (0.5, 20.0, "EBF"), "CC-Tri": (-33.0, 150.0, "WSA")},
    )
    run_chapter("02_site_sampling", tmp_path, **values)
    samples, dropped = ws.read("samples"), ws.read("dropped").set_index("rule")
    assert [*zip(samples.site.values, samples.year.values, samples.reco.values.round(3), strict=True)] == [
        *[("AA-One", year, 0.4) for year in (2001, 2002, 2003)],
        *[("BB-Two", year, 0.6) for year in (2001, 2002)],
        ("CC-Tri", 2003, 0.7),
    ]
    read = dropped[dropped.index.str.startswith("reading: ")]
    assert read["lost"].tolist() == [3, 2, 2] and read["left"].tolist() == [12, 10, 8]
    assert read["sites left"].tolist() == [3, 3, 3] and dropped.loc["RECO is there", "lost"] == 1
    assert dropped["lost"].sum() + samples.sizes["sample"] == 15  # rows in all files


def test_a_tower_that_nobody_places_stops_the_chapter_in_one_line(untidy, run_chapter, tmp_path):
    ws, values = untidy
    with pytest.raises(papermill.PapermillExecutionError) as error:
        run_chapter("02_site_sampling", tmp_path, **values)
    assert error.value.ename == "ValueError" and "the place of BB-Two, CC-Tri" in error.value.evalue
    assert "\n" not in error.value.evalue and not ws.has("samples")
