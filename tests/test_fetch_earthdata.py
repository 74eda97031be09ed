"""NASA's products: the real catalogue's objects and the real login's exceptions, with files from a local server."""

import ast
import hashlib
import logging
import re
import traceback

import earthaccess
import pytest
import requests
from earthaccess.exceptions import LoginAttemptFailure, LoginStrategyUnavailable
from earthaccess.results import DataGranule
from fetching import HDF4, NETCDF, one_line

from helpers import fetch, products
from helpers.fetch import earthdata
from helpers.fetch.client import Bare
from helpers.workspace import ROOT

TOKEN = "hunter2-token"
TILES = ("h17v03", "h18v04")


class Login:
    """An earthaccess.Auth that has its token already."""

    authenticated = True

    def login(self, strategy, persist):
        return self

    def get_session(self):
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {TOKEN}"
        return session


def catalogue(monkeypatch, search):
    """Let a function answer in place of NASA's catalogue."""

    class Granules:
        def parameters(self, **query):
            self.query = query
            return self

        def get_all(self):
            assert isinstance(self.session, Bare)
            return search(**self.query)

    monkeypatch.setattr(earthaccess, "DataGranules", Granules)


def granule(url, checksum=None):
    """Return a granule as the catalogue describes it (UMM-G)."""
    name = url.rsplit("/", 1)[-1]
    about = {"Name": name, "SizeInBytes": 1} | ({"Checksum": checksum} if checksum else {})
    return DataGranule(
        {
            "meta": {"concept-id": f"G-{name}", "provider-id": "LPCLOUD"},
            "umm": {
                "GranuleUR": name.rsplit(".", 1)[0],
                "DataGranule": {"ArchiveAndDistributionInformation": [about]},
                "RelatedUrls": [
                    {"URL": url, "Type": "GET DATA"},
                    {"URL": f"{url}.cmr.xml", "Type": "EXTENDED METADATA"},
                    {"URL": url.replace("http://127.0.0.1", "s3://x"), "Type": "GET DATA VIA DIRECT ACCESS"},
                ],
            },
        },
        cloud_hosted=True,
    )


@pytest.fixture
def archive(server, monkeypatch):
    """Two years of two tiles; searched as the catalogue does, unlocked by a token."""
    granules, queries = [], []
    for year in (2001, 2002):
        for tile in TILES:
            name = f"MOD17A3HGF.A{year}001.{tile}.061.2021{year - 1900}120000.hdf"
            url = server.put(f"/lp-prod-protected/MOD17A3HGF.061/{name}", HDF4, token=TOKEN)
            granules.append(granule(url))

    def search_data(**query):
        queries.append(query)
        first, last = (int(day[:4]) for day in query.get("temporal", ("1900", "2100")))
        tile = re.search(r"h\d\dv\d\d", query.get("granule_name", ""))
        return [
            g
            for g in granules
            if first <= int(g["umm"]["GranuleUR"].split(".A")[-1][:4]) <= last
            and (not tile or tile[0] in g["umm"]["GranuleUR"])
        ]

    catalogue(monkeypatch, search_data)
    monkeypatch.setattr(earthaccess, "Auth", Login)
    server.granules, server.queries, server.all = granules, queries, list(granules)
    return server


@pytest.fixture
def get(patience, tmp_path):
    def run(product_id="mod17a3hgf", **how):
        return fetch.get(product_id, tmp_path, progress=False, patience=patience, **how)

    return run


def test_years_and_tiles_are_searched_and_land_where_readers_look(archive, get, tmp_path):
    found = get(years=[2001], tiles=["h18v04"])
    assert [path.name for path in found] == ["MOD17A3HGF.A2001001.h18v04.061.2021101120000.hdf"]
    assert found == products.find("mod17a3hgf", tmp_path)
    assert archive.queries == [
        {
            "short_name": "MOD17A3HGF",
            "version": "061",
            "temporal": ("2001-01-01", "2001-12-31"),
            "granule_name": "*.h18v04.*",
        }
    ]


def test_what_is_there_is_not_fetched_again(archive, get):
    get(years=[2001], tiles=TILES)
    archive.asked.clear()
    assert len(get(years=[2001, 2002])) == 4
    assert [path for path in archive.paths() if "A2001" in path] == []


def test_the_year_2000_is_in_version_006_only(archive, get):
    with pytest.warns(UserWarning, match=r"version 061 starts in 2001, so it lacks 2000 \(the paper used 006\)"):
        assert len(get(years=[2000, 2001, 2002])) == 4
    with pytest.raises(fetch.FetchError) as error:
        get(years=[2000])
    assert one_line(error) == (
        "mod17a3hgf: version 061 starts in 2001, so it lacks 2000 (the paper used 006); ask for 2001 or later"
    )


def test_a_granule_of_another_year_or_name_is_left(archive, get, monkeypatch):
    everything = list(archive.granules)
    everything.append(granule(archive.put("/x/MOD17A2H.A2001001.h18v04.061.2021001120000.hdf", HDF4)))
    catalogue(monkeypatch, lambda **_: everything)
    assert {path.name.split(".")[1] for path in get(years=[2002])} == {"A2002001"}


def test_nothing_found(archive, get, monkeypatch):
    catalogue(monkeypatch, lambda **_: [])
    with pytest.raises(fetch.FetchError) as error:
        get(years=[2001], tiles=["h18v04"])
    assert one_line(error) == (
        "mod17a3hgf: expected files for 2001 and h18v04, found none at "
        "https://lpdaac.usgs.gov/products/mod17a3hgfv061/; ask for others"
    )


def test_a_catalogue_that_does_not_answer(archive, get, monkeypatch):
    def fail(**_):
        raise RuntimeError("500\nServer Error")

    catalogue(monkeypatch, fail)
    with pytest.raises(fetch.FetchError) as error:
        get(years=[2001])
    assert "the catalogue of Earthdata does not answer for MOD17A3HGF, 061; try again later" in one_line(error)


def test_files_are_resumed_as_all_others_are(archive, get):
    for page in archive.pages.values():
        page.drops = 1
    (path,) = get(years=[2001], tiles=["h18v04"])
    assert path.read_bytes() == HDF4
    assert archive.asked[1][1]["Range"] == f"bytes={len(HDF4) // 2}-"


def test_the_archives_own_checksum_is_used(archive, get):
    sums = {"Value": hashlib.sha256(HDF4).hexdigest().upper(), "Algorithm": "SHA-256"}
    url = archive.granules[0].data_links(access="external")[0]
    archive.granules[:] = [granule(url, sums)]
    assert len(get(years=[2001])) == 1
    url = next(g for g in archive.all if "A2002001.h18v04" in g["umm"]["GranuleUR"]).data_links(access="external")[0]
    archive.granules[:] = [granule(url, {"Algorithm": "MD5", "Value": "0" * 32})]
    with pytest.raises(fetch.FetchError, match=f"expected checksum md5:{'0' * 32}, found .*; its publisher gives the"):
        get(years=[2002])


def test_a_login_page_or_a_licence_not_accepted(archive, get):
    path, page = next(iter(archive.pages.items()))
    page.body, page.kind = b"<!DOCTYPE html><title>Earthdata Login</title>", "text/html"
    remedy = (
        "log in at https://urs.earthdata.nasa.gov, accept the data set's licence (EULA) there or at "
        "https://lpdaac.usgs.gov/products/mod17a3hgfv061/, and try again"
    )
    with pytest.raises(fetch.FetchError) as error:
        get(years=[2001], tiles=[TILES[0]])
    assert one_line(error).endswith(f"found a web page (such as that of a login); {remedy}")
    page.token = "of somebody else"
    with pytest.raises(fetch.FetchError) as error:
        get(years=[2001], tiles=[TILES[0]])
    assert one_line(error) == f"mod17a3hgf: {archive.url}{path}: expected to be let in, found status 401; {remedy}"


def test_the_token_stays_with_the_archive(archive, get):
    """A redirect leads to storage on another host, as the archive's do; there the token must not go."""
    path, page = next(iter(archive.pages.items()))
    archive.put("/bucket/signed", HDF4)
    page.status, page.headers = 303, {"Location": f"http://localhost:{archive.port}/bucket/signed"}
    page.body = b""
    get(years=[2001], tiles=[TILES[0]])
    assert "Authorization" in archive.headers(path)[0]
    assert "Authorization" not in archive.headers("/bucket/signed")[0]


def test_a_catalogue_cannot_send_the_token_elsewhere(archive, get):
    archive.granules[:] = [granule("https://evil.example/MOD17A3HGF.A2001001.h18v04.061.2021101120000.hdf")]
    with pytest.raises(
        fetch.FetchError, match="expected files on hosts of nasa.gov, usgs.gov, ornl.gov, found https://evil"
    ):
        get(years=[2001])
    assert not archive.asked


def refuse(error):
    class Refused(Login):
        def login(self, strategy, persist):
            assert persist is False
            raise error

    return Refused


def test_without_a_login_it_says_how_to_get_one(archive, get, monkeypatch):
    monkeypatch.setattr(earthaccess, "Auth", refuse(LoginStrategyUnavailable("No .netrc found")))
    with pytest.raises(fetch.FetchError) as error:
        get(years=[2001])
    assert one_line(error) == f"mod17a3hgf: expected an Earthdata login, found none; {earthdata.HOW_TO_LOG_IN}"


def test_a_refused_login_shows_nothing_of_it(archive, get, monkeypatch, caplog, capsys, tmp_path):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("EARTHDATA_PASSWORD", "hunter2")
    monkeypatch.setattr(earthaccess, "Auth", refuse(LoginAttemptFailure("failed with:\n{hunter2}")))
    with pytest.raises(fetch.FetchError) as error:
        get(years=[2001])
    assert "Earthdata refuses the login that it was given (environment); correct it: " in one_line(error)
    told = "".join(traceback.format_exception(error.value)) + caplog.text + "".join(capsys.readouterr())
    assert "hunter2" not in "\n".join(line for line in told.splitlines() if "refuse(" not in line)


def test_the_environment_comes_first_and_nobody_is_asked_without_a_terminal(archive, get, monkeypatch, own_netrc):
    tried = []

    class Picky(Login):
        def login(self, strategy, persist):
            tried.append((strategy, persist))
            if strategy == "environment":
                raise LoginStrategyUnavailable
            return self

    own_netrc("machine urs.earthdata.nasa.gov login me password hunter2\n")
    monkeypatch.setattr(earthaccess, "Auth", Picky)
    get(years=[2001])
    assert tried == [("environment", False), ("netrc", False)]
    monkeypatch.setattr(earthaccess, "Auth", refuse(LoginStrategyUnavailable()))
    with pytest.raises(fetch.FetchError):
        get(years=[2002])


def test_the_library_is_imported_only_when_it_is_needed():
    tree = ast.parse((ROOT / "src" / "helpers" / "fetch" / "earthdata.py").read_text(encoding="utf-8"))
    imported = [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]
    assert "requests" in imported
    assert "earthaccess" not in imported


def test_no_file_holds_the_token(archive, get, tmp_path):
    get(years=[2001])
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or TOKEN.encode() not in path.read_bytes()


def test_process_models_go_into_a_folder_each(server, get, monkeypatch, tmp_path):
    names = ["CLM4_SG3_Monthly_TotalResp.nc4", "CLM4_SG3_Monthly_GPP.nc4", "CLM4_BG1_Monthly_TotalResp.nc4"]
    names += ["VISIT_SG3_Monthly_AutoResp.nc4", "VISIT_SG3_Monthly_HeteroResp.nc4"]
    granules = [granule(server.put(f"/nacp/{name}", NETCDF)) for name in names]
    queries = []
    catalogue(monkeypatch, lambda **query: queries.append(query) or granules)
    monkeypatch.setattr(earthaccess, "Auth", Login)
    found = get("mstmip")
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "mstmip/CLM4/CLM4_SG3_Monthly_TotalResp.nc4",
        "mstmip/VISIT/VISIT_SG3_Monthly_AutoResp.nc4",
        "mstmip/VISIT/VISIT_SG3_Monthly_HeteroResp.nc4",
    ]
    assert queries == [{"doi": "10.3334/ORNLDAAC/1225"}]
    assert len(get("mstmip", options={"experiment": "BG1"})) == 1
