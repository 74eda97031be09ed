"""A profile for a table of one's own: what columns are taken for, in which unit, and what is not guessed."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml
from test_own_table import SMALL

from helpers import products
from helpers.products.units import FLUX, unit_of
from helpers.publish import mine
from helpers.run import __main__ as runner
from helpers.run import chapters
from helpers.run.chapters import Book
from helpers.workspace import ROOT, Workspace

EXAMPLE = ROOT / "data" / "own_table"


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A book whose profiles and outputs are elsewhere, which the command takes for its own."""
    root = tmp_path / "book"
    (root / "notebooks" / "profiles").mkdir(parents=True)
    for path in [*(ROOT / "notebooks").glob("*.ipynb"), ROOT / "notebooks" / "chapters.yml"]:
        (root / "notebooks" / path.name).symlink_to(path)
    for name in ("src", "data", "book", "_toc.yml", "_config.yml", "requirements.txt"):
        (root / name).symlink_to(ROOT / name)
    book = Book(root, tmp_path / "outputs", tmp_path / "build")
    monkeypatch.setattr(Book, "here", classmethod(lambda cls: book))
    monkeypatch.setenv("RECO_OUTPUTS", str(tmp_path / "outputs"))
    return book


def profile_of(book, name="mine"):
    return yaml.safe_load((book.notebooks / "profiles" / f"{name}.yml").read_text(encoding="utf-8"))


def made(towers=12, years=range(2005, 2010)):
    """Return made site-years in the book's units: RECO kg C m-2 yr-1, temperature degC, rain mm yr-1, light W m-2."""
    rng = np.random.default_rng(3)
    k = np.repeat(np.arange(towers), len(years))
    place = rng.uniform((-40, -150, 2), (65, 150, 24), (towers, 3))[k]
    t = pd.DataFrame({"site": [f"AA-{n:02d}" for n in k], "year": np.tile(years, towers)})
    t = t.assign(lat=place[:, 0].round(3), lon=place[:, 1].round(3), igbp=rng.choice(["ENF", "GRA"], towers)[k])
    t = t.assign(mat=place[:, 2] + rng.normal(0, 0.5, len(k)), map=rng.uniform(400, 1800, len(k)))
    t["reco"] = 0.3 + 0.04 * t.mat + rng.uniform(0, 0.3, len(k))
    return t.assign(reco_dt=t.reco * 1.1, par=rng.uniform(90, 250, len(k)), nee_qc=rng.uniform(0.6, 1, len(k)))


TRUTH = made()
MOLES = 12.011e-9 * 365.25 * 86400
"""kg C m-2 yr-1 in one µmol m-2 s-1."""


def fluxnet(t):
    names = ["SITE_ID", "TIMESTAMP", "LOCATION_LAT", "LOCATION_LONG", "IGBP", "TA_F", "P_F", "RECO_NT_VUT_REF",
             "RECO_DT_VUT_REF", "SW_IN_F", "NEE_VUT_REF_QC"]  # fmt: skip
    out = t.assign(reco=1000 * t.reco, reco_dt=1000 * t.reco_dt).set_axis(names, axis=1)
    return out.assign(GPP_NT_VUT_REF=1100.0, NEE_VUT_REF=-100.0).to_csv(index=False).encode()


def ameriflux(t):
    names = {"site": "Site ID", "year": "Year", "lat": "Latitude", "lon": "Longitude", "igbp": "Vegetation type"}
    names |= {"mat": "TA_PI_F (°C)", "map": "P (mm)", "reco": "ER (g C m⁻² yr⁻¹)", "par": "SW_IN (W m-2)"}
    t = t.assign(reco=1000 * t.reco).drop(columns=["reco_dt", "nee_qc"]).rename(columns=names)
    text = t.to_csv(index=False, sep=";", decimal=",", na_rep="-9999")
    return text.replace("⁻²", "-2").replace("⁻¹", "-1").encode("latin-1")


def icos(t):
    t = t.assign(reco=t.reco / MOLES, reco_dt=t.reco_dt / MOLES, map=t["map"] / 365.25, nee_qc=100 * t.nee_qc)
    names = ["station", "year", "lat", "lon", "ecosystem", "TA", "P", "Reco_NT", "Reco_DT", "SW_IN", "qc"]
    header, *rows = t.set_axis(names, axis=1).to_csv(index=False, sep="\t").splitlines()
    units = "\t".join(["-", "-", "deg N", "deg E", "-", "°C", "mm d-1", *["µmol m-2 s-1"] * 2, "W m-2", "%"])
    return "\n".join([header, units, *rows]).encode()


def ozflux(t):
    t = t.assign(mat=t.mat + 273.15, reco=1000 * t.reco, reco_dt=1000 * t.reco_dt).drop(columns=["igbp", "nee_qc"])
    names = ["Site", "Yr", "latitude", "longitude", "Ta", "Precip", "ER_SOLO", "ER_LL", "Fsd"]
    return t.set_axis(names, axis=1).to_csv(index=False).encode()


def english(t):
    t = t[["site", "year", "lat", "lon", "igbp", "mat", "reco"]].assign(reco=10 * t.reco)
    names = ["tower name", "calendar year", "latitude (deg)", "longitude (deg)", "land cover", "mean temperature"]
    return t.set_axis([*names, "ecosystem respiration, t C/ha/yr"], axis=1).to_csv(index=False).encode("utf-8-sig")


@pytest.mark.filterwarnings("ignore:.*are read as Latin-1")
@pytest.mark.parametrize("network", [fluxnet, ameriflux, icos, ozflux, english])
def test_the_profile_of_each_network_gives_the_numbers_that_were_written(network, book, tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(network(TRUTH))
    assert mine.main([str(path)]) == 0
    profile = profile_of(book)
    given = profile["02_site_sampling"]
    ds = products.read("site_table", path, columns=given["table_columns"], factors=given.get("table_factors"))
    for name in set(given["table_columns"]) - {"igbp"}:
        if name == "site":
            assert ds.site.values.tolist() == TRUTH.site.tolist()
        else:
            np.testing.assert_allclose(ds[name], TRUTH[name], rtol=2e-5, atol=1e-3)
    assert {"site", "year", "lat", "lon", "reco", "mat"} <= set(given["table_columns"])
    assert ("reco_dt" in given["table_columns"]) == (network in (fluxnet, icos, ozflux))
    assert set(profile["common"]["channels"]) <= {"mat", "map", "par"}  # and neither GPP nor NEE
    assert (given["first_year"], given["last_year"]) == (2005, 2009) and "09" not in profile["chapters"]


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("g C m-2 yr-1", 1e-3), ("gC m^-2 y^-1", 1e-3), ("kg C m⁻² a⁻¹", 1), ("t/ha/yr", 0.1), ("Mg C ha-1", 0.1),
        ("g CO2 m-2 yr-1", 1e-3 * 12.011 / 44.009), ("gCO2 m-2 d-1", 0.36525 * 12.011 / 44.009), ("mgC m-2", 1e-6),
        ("µmol CO2 m-2 s-1", MOLES), ("umolCO2 m-2 s-1", MOLES), ("mol m-2 yr-1", 0.012011),
        ("kilograms per m2 per year", 1), ("g C m2 d", 0.36525), ("g m-2 month-1", 12e-3),
    ],
)  # fmt: skip
def test_units_of_a_flux(unit, factor):
    size, of = unit_of(unit)
    assert size * FLUX[of] == pytest.approx(factor, rel=1e-9)


def write(tmp_path, **columns):
    """Write a table in the book's names, with other columns; return its path."""
    path = tmp_path / "table.csv"
    table = TRUTH.drop(columns=["reco_dt", "nee_qc"]).assign(reco=1000 * TRUTH.reco).assign(**columns)
    table.drop(columns=[name for name, values in columns.items() if values is None]).to_csv(path, index=False)
    return path


def refused(arguments, capsys):
    """Return the line by which the command refuses."""
    assert mine.main([str(each) for each in arguments]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    return line


def test_a_unit_that_several_fit_is_asked_for_and_taken_when_it_is_said(book, tmp_path, capsys):
    path = write(tmp_path, reco=TRUTH.reco * 10)
    line = refused([path], capsys)
    assert "reco, column reco: its median" in line and "fits t C ha-1 yr-1 and umol m-2 s-1 and g C m-2 d-1" in line
    assert "UNITS='reco=" in line and not list((book.notebooks / "profiles").iterdir())
    assert mine.main([str(path), "--units", "reco=t C ha-1 yr-1"]) == 0
    assert profile_of(book)["02_site_sampling"]["table_factors"]["reco"] == 0.1
    wrong = refused([path, "--units", "reco=g C m-2 yr-1"], capsys)
    assert "stated is 'g C m-2 yr-1', which would make its median" in wrong


def test_a_predictor_s_unit_that_is_doubtful_is_taken_and_said(book, tmp_path, capsys):
    assert mine.main([str(write(tmp_path, par=np.linspace(145, 155, len(TRUTH))))]) == 0
    assert "- par: took umol m-2 s-1, by its median, as would W m-2, 150" in capsys.readouterr().out
    assert mine.main([str(write(tmp_path, par=1e6)), "--names", "reco=reco"]) == 0
    assert "- par, column par: its median, 1e+06, fits no unit that is known" in capsys.readouterr().out
    assert "par" not in profile_of(book)["common"]["channels"]


def test_of_many_columns_alike_the_network_s_own_choice_is_taken(book, tmp_path, capsys):
    reco, day = 1000 * TRUTH.reco, 1000 * TRUTH.reco_dt
    kinds = [
        f"RECO_{by}_{ustar}_{which}" for by in ("DT", "NT") for ustar in ("CUT", "VUT") for which in ("MEAN", "REF")
    ]
    several = {name: (day if "DT" in name else reco) * (1 if name.endswith("VUT_REF") else 1.5) for name in kinds}
    several |= {"TA_F": TRUTH.mat, "TA_F_DAY": TRUTH.mat + 3, "TA_F_QC": 1.0, "RECO_NT_VUT_05": reco / 2}
    path = write(tmp_path, reco=None, mat=None, **several)
    assert mine.main([str(path)]) == 0
    given = profile_of(book)["02_site_sampling"]["table_columns"]
    assert [given[name] for name in ("reco", "reco_dt", "mat")] == ["RECO_NT_VUT_REF", "RECO_DT_VUT_REF", "TA_F"]
    said = capsys.readouterr().out
    assert "- reco: took RECO_NT_VUT_REF, found RECO_NT_VUT_MEAN, RECO_NT_CUT_REF, RECO_NT_CUT_MEAN too" in said
    assert "mat: took" not in said and set(profile_of(book)["common"]["channels"]) == {"mat", "map", "par"}


def test_flags_in_classes_and_units_that_do_not_fit_are_said(book, tmp_path, capsys):
    path = write(tmp_path, nee_qc=np.arange(len(TRUTH)) % 4, mat=None, **{"Ta (mm)": TRUTH.mat, "lai (%)": 200.0})
    assert mine.main([str(path)]) == 0
    said = capsys.readouterr().out
    assert "- nee_qc, column nee_qc: its greatest, 3, is that of classes, and no share" in said
    assert "nee_qc" not in profile_of(book)["02_site_sampling"]["table_columns"]
    path = write(tmp_path, map=None, **{"Rain (W m-2)": TRUTH["map"]})
    assert mine.main([str(path)]) == 0
    assert "- map: its unit W m-2 isn't one that fits; took mm yr-1, by its median" in capsys.readouterr().out


def test_what_is_missing_doubtful_or_left_out_is_said(book, tmp_path, capsys):
    rain = TRUTH["map"].where(TRUTH.index % 2 == 0)
    path = write(tmp_path, ER=1000 * TRUTH.reco, map=rain, par=100.0, NEE=-5.0, elevation=TRUTH.lat)
    assert mine.main([str(path)]) == 0
    said = capsys.readouterr().out
    assert "- reco: took reco, found ER too; for another one: NAMES='reco=COLUMN'" in said
    assert "- map: left out, since it lacks 50% of the site-years" in said
    assert "- par: left out, since it is one number everywhere" in said
    assert "made of the same measurements" in said and "- not known: elevation" in said
    assert profile_of(book)["common"]["channels"] == ["mat"]
    assert mine.main([str(path), "--names", "reco=ER", "height=elevation"]) == 0
    assert profile_of(book)["02_site_sampling"]["table_columns"]["reco"] == "ER"
    assert profile_of(book)["common"]["channels"] == ["mat", "height"]


def test_what_cannot_be_done_is_one_line(book, tmp_path, capsys):
    assert "lat: expected a column, found none that is called so" in refused([write(tmp_path, lat=None)], capsys)
    assert "GPP + NEE, is RECO" in refused([write(tmp_path, reco=None, GPP=1000.0)], capsys)
    assert "column 'x' is not there; the table has site" in refused([write(tmp_path), "--names", "reco=x"], capsys)
    assert "--units reco: 'blue' is no unit" in refused([write(tmp_path), "--units", "reco=blue"], capsys)
    assert "--units soc: expected one of site, year" in refused([write(tmp_path), "--units", "soc=g"], capsys)
    assert "expected a table, found none; name it: make mine TABLE=" in refused([""], capsys)
    assert "--units reco: expected VARIABLE=…" in refused([write(tmp_path), "--units", "reco"], capsys)
    assert "expected a CSV file, found nothing there" in refused([tmp_path / "none.csv"], capsys)
    few = tmp_path / "few.csv"
    fluxes = pd.DataFrame(TRUTH[TRUTH.site < "AA-05"])
    fluxes.assign(reco=1000 * fluxes.reco).to_csv(few, index=False)
    assert "expected 8 towers or more" in (line := refused([few], capsys)) and "found 5" in line


def test_a_profile_that_was_changed_is_never_written_over(book, tmp_path, capsys):
    path, profile = write(tmp_path), book.notebooks / "profiles" / "mine.yml"
    for _ in range(2):
        assert mine.main([str(path)]) == 0
    profile.write_text(profile.read_text(encoding="utf-8").replace("mat]", "mat]  # only"), encoding="utf-8")
    profile.write_text("# mine\n" + profile.read_text(encoding="utf-8"), encoding="utf-8")
    before = profile.read_bytes()
    assert "found it changed" in refused([path], capsys)
    assert profile.read_bytes() == before
    assert mine.main([str(path), "--to", "other"]) == 0


def test_names_that_could_break_a_page_or_a_profile_stay_names(book, tmp_path, capsys):
    hostile = ["no: [1] # {x}", "two\nlines", "\x1b[31mred", "'q' \"q\"", "the\u2028end"]
    path = write(tmp_path, **{name: TRUTH.lat for name in hostile})
    names = [f"own_{k}={name}" for k, name in enumerate(hostile)]
    assert mine.main([str(path), "--names", *names]) == 0
    given = profile_of(book)["02_site_sampling"]["table_columns"]
    assert [given[f"own_{k}"] for k in range(len(hostile))] == hostile
    printed = capsys.readouterr().out
    assert "\x1b" not in printed and "\u2028" not in printed and "two\nlines" not in printed


def test_the_example_is_what_its_command_makes(tmp_path, monkeypatch):
    command = re.search(r"```python\n(.*?)```", (EXAMPLE / "README.md").read_text(encoding="utf-8"), re.DOTALL)[1]
    monkeypatch.chdir(tmp_path)
    exec(command, {})
    for name in ("site_years.csv", "monthly_climate.csv"):
        assert (tmp_path / name).read_bytes() == (EXAMPLE / name).read_bytes()


def test_the_example_with_climate_has_the_lag(book, capsys):
    arguments = [str(EXAMPLE / "site_years.csv"), "--climate", str(EXAMPLE / "monthly_climate.csv")]
    assert mine.main(arguments) == 0
    assert "rain in mm month-1; 168 of 168 site-years" in capsys.readouterr().out
    profile = profile_of(book)
    assert profile["chapters"] == ["02", "03", "08", "09", "14"]
    assert profile["common"]["channels"] == ["mat", "map", "par", "spei12", "spei24", "spei36"]
    table = pd.read_csv(EXAMPLE / "site_years.csv", sep=";", decimal=",", skiprows=[1])
    given = profile["02_site_sampling"]
    path = EXAMPLE / "site_years.csv"
    ds = products.read("site_table", path, columns=given["table_columns"], factors=given["table_factors"])
    np.testing.assert_allclose(ds.reco, table.Reco_night / 10)
    np.testing.assert_allclose(ds.mat, table.Tair - 273.15)
    np.testing.assert_allclose(ds.nee_qc, table.QC / 100)
    everything = chapters.discover(book.notebooks)
    values = chapters.settings(chapters.load(book, "mine"), everything, [], book.root)
    assert [stem[:2] for stem in values] == profile["chapters"]


def test_units_that_a_table_states_are_refused_where_they_are_not_read(book, tmp_path, capsys):
    west = write(tmp_path, lon=None, **{"Longitude (°W)": -TRUTH.lon})
    assert "column 'Longitude (°W)': expected degrees east, found them stated as" in refused([west], capsys)
    text = (EXAMPLE / "monthly_climate.csv").read_text(encoding="utf-8")
    climate = tmp_path / "climate.csv"
    for unit in ("cm", "in", "m", "mm/yr"):
        climate.write_text(text.replace("(mm/month)", f"({unit})", 1), encoding="utf-8")
        line = refused([EXAMPLE / "site_years.csv", "--climate", climate], capsys)
        assert f"expected precipitation in mm d-1 or mm month-1, found it stated in {unit}; convert it" in line


@pytest.mark.long
def test_the_example_goes_from_tables_to_the_report(book):
    assert mine.main([str(EXAMPLE / "site_years.csv"), "--climate", str(EXAMPLE / "monthly_climate.csv")]) == 0
    small = [f"{stem[:2]}.{name}={value}" for stem, values in SMALL.items() for name, value in values.items()]
    plan = runner.plan(book, runner.parser().parse_args(["--profile", "mine", "--no-pages", "--set", *small]))
    assert runner.run(plan) == 5
    ws = Workspace("mine", root=book.outputs)
    assert all(ws.has(name) for name in ("ladder", "lag", "table1")) and len(ws.read("label_noise"))


@pytest.mark.parametrize(
    ("column", "cell", "every", "expected"),
    [
        ("reco", "abc", False, "reco: row 5, column 'reco': expected a number, found 'abc'"),
        ("reco", "inf", True, "reco: column 'reco': expected numbers, found gaps alone, 'inf' in row 2"),
        ("year", "-9999", True, "year: row 2, column 'year': expected a whole number from 1900 to 2100, found '-9999'"),
        ("year", "-9999", False, "row 5, column 'year': expected a whole number from 1900 to 2100, found '-9999'"),
        ("year", "2005-07-01", True, "year: row 2, column 'year': expected a number, found '2005-07-01'"),
        ("year", "20050701", True, "row 2, column 'year': expected a whole number from 1900 to 2100, found '20050701'"),
        ("lat", "N48", False, "lat: row 5, column 'lat': expected a number, found 'N48'"),
    ],
)
def test_a_column_that_is_called_right_and_holds_wrong_cells_is_named_with_the_cell(
    book, tmp_path, capsys, column, cell, every, expected
):
    values = [cell] * len(TRUTH) if every else (1000 * TRUTH.reco if column == "reco" else TRUTH[column]).astype(object)
    if not every:
        values[3] = cell
    line = refused([write(tmp_path, **{column: values})], capsys)
    assert "table.csv: " in line and expected in line


def test_a_predictor_with_a_wrong_cell_is_left_out_with_a_word(book, tmp_path, capsys):
    assert mine.main([str(write(tmp_path, map=TRUTH["map"].astype(object).where(TRUTH.index != 3, "wet")))]) == 0
    assert "map: row 5, column 'map': expected a number, found 'wet'; correct or empty it; left out until then" in (
        capsys.readouterr().out
    )
    assert "map" not in profile_of(book)["common"]["channels"]


@pytest.mark.parametrize(
    ("name", "header", "factor", "added", "unit"),
    [
        ("mat", "Temp (°F)", 1.8, 32, "degF"), ("mat", "temp_degF", 1.8, 32, "degF"), ("mat", "TA_F", 1, 0, "degC"),
        ("map", "Rain (cm)", 0.1, 0, "cm"), ("map", "rain (in/yr)", 1 / 25.4, 0, "in/yr"),
    ],
)  # fmt: skip
def test_fahrenheit_inches_and_centimetres_become_the_books_units(book, tmp_path, name, header, factor, added, unit):
    path = write(tmp_path, **{name: None, header: factor * TRUTH[name] + added})
    assert mine.main([str(path)]) == 0
    given = profile_of(book)["02_site_sampling"]
    ds = products.read("site_table", path, columns=given["table_columns"], factors=given["table_factors"])
    np.testing.assert_allclose(ds[name], TRUTH[name], rtol=1e-4, atol=1e-3)


def test_a_unit_that_is_not_known_is_never_guessed(book, tmp_path, capsys):
    assert unit_of("0.1 degC") is None and unit_of("10 mm") is None
    line = refused([write(tmp_path), "--units", "reco=W m-2"], capsys)
    assert "stated is 'W m-2', which is no unit of it that is known" in line
    assert mine.main([str(write(tmp_path, map=TRUTH["map"] / 10))]) == 0
    assert "map: took mm month-1, by its median, as would cm yr-1" in capsys.readouterr().out
    path = write(tmp_path)
    header, *rows = path.read_text().splitlines()
    units = ["0.1 degC" if name == "mat" else "-" for name in header.split(",")]
    path.write_text("\n".join([header, ",".join(units), *rows]))
    assert mine.main([str(path)]) == 0
    assert "its unit '0.1 degC' is none of temperature that is known" in capsys.readouterr().out
