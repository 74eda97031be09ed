"""NASA's products: the real catalogue's objects and the real login, which no host sees that it is not for."""

import base64
import hashlib
import io
import json
import traceback
from types import SimpleNamespace

import earthaccess
import pytest
import requests
from earthaccess.results import DataGranule
from local_server import Site
from test_fetch import CRU, GZIP, HDF4, NETCDF, cru, one_line

from helpers import fetch, products
from helpers.fetch import sources

TOKEN = "hunter2-token"
TILES = ("h17v03", "h18v04")
EVERYONE = "machine 127.0.0.1 login a password one\nmachine localhost login b password two\n"
DEFAULT = "default login c password three\n"
EARTHDATA = "machine urs.earthdata.nasa.gov login me password hunter2\n"
WAY = fetch.way("mod17a3hgf")


@pytest.fixture(autouse=True)
def own_netrc(monkeypatch, tmp_path_factory):
    """Start without any login, and write a ~/.netrc in a home of the test's own."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name in ("NETRC", "EARTHDATA_TOKEN", "EARTHDATA_USERNAME", "EARTHDATA_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(earthaccess, "_auth", earthaccess.Auth())
    return (home / ".netrc").write_text


def catalogue(monkeypatch, search):
    """Let a function answer in place of NASA's catalogue."""

    class Granules:
        def parameters(self, **query):
            self.query = query
            return self

        def get_all(self):
            assert isinstance(self.session, sources.Session)
            return search(**self.query)

    monkeypatch.setattr(earthaccess, "DataGranules", Granules)


def granule(url, **checksum):
    """Return a granule as the catalogue describes it (UMM-G)."""
    name = url.rsplit("/", 1)[-1]
    about = {"Name": name, "SizeInBytes": 1} | ({"Checksum": checksum} if checksum else {})
    links = {
        "GET DATA": url,
        "EXTENDED METADATA": f"{url}.cmr.xml",
        "GET DATA VIA DIRECT ACCESS": url.replace("http://127.0.0.1", "s3://x"),
    }
    return DataGranule(
        {
            "meta": {"concept-id": f"G-{name}", "provider-id": "LPCLOUD"},
            "umm": {
                "GranuleUR": name.rsplit(".", 1)[0],
                "DataGranule": {"ArchiveAndDistributionInformation": [about]},
                "RelatedUrls": [{"URL": link, "Type": kind} for kind, link in links.items()],
            },
        },
        cloud_hosted=True,
    )


@pytest.fixture
def archive(server, monkeypatch):
    """Two years of two tiles; searched as the catalogue does, unlocked by a token."""
    monkeypatch.setenv("EARTHDATA_TOKEN", TOKEN)
    server.granules, server.queries = [], []
    for year in (2001, 2002):
        for tile in TILES:
            name = f"MOD17A3HGF.A{year}001.{tile}.061.2021{year - 1900}120000.hdf"
            url = server.put(f"/lp-prod-protected/MOD17A3HGF.061/{name}", HDF4, token=TOKEN)
            server.granules.append(granule(url))

    def search(granule_name="", **query):
        server.queries.append(query | {"granule_name": granule_name})
        return [one for one in server.granules if granule_name.strip("*") in one["umm"]["GranuleUR"]]

    catalogue(monkeypatch, search)
    return server


@pytest.fixture
def get(tmp_path):
    return lambda product_id="mod17a3hgf", **how: fetch.get(product_id, tmp_path, progress=False, **how)


def test_years_and_tiles_are_searched_and_fetched_once(archive, get, tmp_path):
    found = get(years=[2001], tiles=["h18v04"])
    assert [path.name for path in found] == ["MOD17A3HGF.A2001001.h18v04.061.2021101120000.hdf"]
    assert found == products.find("mod17a3hgf", tmp_path)
    years = {"short_name": "MOD17A3HGF", "version": "061", "temporal": ("2001-01-01", "2001-12-31")}
    assert archive.queries == [years | {"granule_name": "*.h18v04.*"}]
    archive.put("/x/MOD17A2H.A2001001.h18v04.061.2021001120000.hdf", HDF4)
    archive.granules.append(granule(f"{archive.url}/x/MOD17A2H.A2001001.h18v04.061.2021001120000.hdf"))
    assert len(get(years=[2001, 2002])) == 4
    assert len(archive.asked) == 4
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]


def test_the_year_2000_is_in_version_006_only(archive, get):
    with pytest.warns(UserWarning, match=r"version 061 starts in 2001, so it lacks 2000 \(the paper used 006\)"):
        assert len(get(years=[2000, 2001, 2002])) == 4
    with pytest.raises(fetch.FetchError, match=r"so it lacks 2000 \(the paper used 006\); ask for 2001 or later"):
        get(years=[2000])


def test_nothing_found_and_a_catalogue_that_does_not_answer(archive, get, monkeypatch):
    archive.granules.clear()
    with pytest.raises(fetch.FetchError) as error:
        get(years=[2001], tiles=["h18v04"])
    assert one_line(error) == (
        "mod17a3hgf: expected files for 2001 and h18v04, found none at "
        "https://lpdaac.usgs.gov/products/mod17a3hgfv061/; ask for others"
    )
    catalogue(monkeypatch, lambda **_: (_ for _ in ()).throw(RuntimeError("500\nServer Error")))
    with pytest.raises(fetch.FetchError) as error:
        get(years=[2001])
    assert "the catalogue of Earthdata does not answer for MOD17A3HGF, 061; try again later" in one_line(error)


def test_the_archives_own_checksum_is_used(archive, get, tmp_path):
    url = archive.granules[0].data_links(access="external")[0]
    archive.granules[:] = [granule(url, Value="0" * 32, Algorithm="MD5")]
    with pytest.raises(
        fetch.FetchError, match=f"does not match the known hash: expected md5:{'0' * 32} but got .*look"
    ):
        get(years=[2001])
    archive.granules[:] = [granule(url, Value=hashlib.sha256(HDF4).hexdigest().upper(), Algorithm="SHA-256")]
    (path,) = get(years=[2001])
    (tmp_path / "checksums.json").unlink()
    archive.granules[:] = [granule(url, Value="0" * 32, Algorithm="MD5")]
    with pytest.raises(
        fetch.FetchError, match=f"{path.name}: expected checksum md5:{'0' * 32}, found another; remove it"
    ):
        get(years=[2001])


def test_a_login_page_or_a_licence_not_accepted(archive, get):
    path, page = next(iter(archive.pages.items()))
    page.body = b"<!DOCTYPE html><title>Earthdata Login</title>"
    remedy = (
        "log in at https://urs.earthdata.nasa.gov, accept the data set's licence (EULA) there or at "
        "https://lpdaac.usgs.gov/products/mod17a3hgfv061/, and try again"
    )
    for found in (
        "expected HDF4, found a web page (such as that of a login)",
        "expected to be let in, found status 401",
    ):
        with pytest.raises(fetch.FetchError) as error:
            get(years=[2001], tiles=[TILES[0]])
        assert one_line(error) == f"mod17a3hgf: {archive.url}{path}: {found}; {remedy}"
        page.token = "of somebody else"


def test_process_models_go_into_a_folder_each(server, get, monkeypatch, tmp_path):
    names = ["CLM4_SG3_Monthly_TotalResp.nc4", "CLM4_SG3_Monthly_GPP.nc4", "CLM4_BG1_Monthly_TotalResp.nc4"]
    names += ["VISIT_SG3_Monthly_AutoResp.nc4", "VISIT_SG3_Monthly_HeteroResp.nc4"]
    granules = [granule(server.put(f"/nacp/{name}", NETCDF)) for name in names]
    queries = []
    catalogue(monkeypatch, lambda **query: queries.append(query) or granules)
    monkeypatch.setenv("EARTHDATA_TOKEN", TOKEN)
    assert [path.relative_to(tmp_path).as_posix() for path in get("mstmip")] == [
        "mstmip/CLM4/CLM4_SG3_Monthly_TotalResp.nc4",
        "mstmip/VISIT/VISIT_SG3_Monthly_AutoResp.nc4",
        "mstmip/VISIT/VISIT_SG3_Monthly_HeteroResp.nc4",
    ]
    assert queries == [{"doi": "10.3334/ORNLDAAC/1225"}]
    assert len(get("mstmip", options={"experiment": "BG1"})) == 1


# Who sees a login


@pytest.fixture
def other(server):
    """A second server: the same host, another port."""
    site = Site()
    yield site
    site.close()


@pytest.fixture
def sent(monkeypatch):
    """Answer in place of NASA's servers; keep the method, address and Authorization of every request."""
    asked = []

    def send(adapter, request, **_):
        asked.append((request.method, request.url, request.headers.get("Authorization")))
        answer = requests.Response()
        answer.request, answer.url, answer.connection = request, request.url, adapter
        answer.status_code, told = 200, {"items": [], "access_token": TOKEN, "expiration_date": "never"}
        if request.method == "POST" and request.headers.get("Authorization") != basic("me", "hunter2"):
            answer.status_code, told = 401, {"error": "for hunter2"}
        answer.headers["CMR-Hits"] = "0"
        answer.raw = io.BytesIO(json.dumps(told).encode())
        return answer

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    return asked


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def led_round(server, other, start, end, body):
    """Lead a download over another name and another port of this machine to its end."""
    server.lead("/by-name", f"{other.url}/by-port")
    other.lead("/by-port", server.url + end)
    server.put(end, body)
    return server.lead(start, f"http://localhost:{server.port}/by-name")


@pytest.mark.parametrize("held", ["", EVERYONE, DEFAULT], ids=["none", "entries", "default"])
def test_no_redirect_and_no_netrc_shows_a_login_to_whom_it_is_not_for(server, other, get, own_netrc, monkeypatch, held):
    own_netrc(held)
    led_round(server, other, CRU, "/end.gz", GZIP)
    assert len(get(cru(server))) == 1
    assert server.shown_logins() + other.shown_logins() == []
    monkeypatch.setenv("EARTHDATA_TOKEN", TOKEN)
    path = "/lp-prod-protected/MOD17A3HGF.A2001001.h18v04.061.2021101120000.hdf"
    url = led_round(server, other, path, "/bucket/signed", HDF4)
    catalogue(monkeypatch, lambda **_: [granule(url)])
    get(years=[2001])
    assert [len(server.asked), len(other.asked)] == [6, 2]
    assert server.shown_logins() + other.shown_logins() == [(path, f"Bearer {TOKEN}")]


def test_a_login_of_netrc_goes_to_earthdata_and_its_token_to_the_archives(sent, own_netrc):
    own_netrc(DEFAULT + EARTHDATA + EVERYONE)
    session = sources.logged_in(WAY)
    ask = "https://urs.earthdata.nasa.gov/api/users/find_or_create_token"
    assert sent == [("POST", ask, None), ("POST", ask, basic("me", "hunter2"))]
    for host in ("data.lpdaac.earthdatacloud.nasa.gov", "nasa.gov.example.org", "notnasa.gov", "example.org/nasa.gov"):
        session.get(f"https://{host}/x.hdf")
    assert [shown for *_, shown in sent[2:]] == [f"Bearer {TOKEN}", None, None, None]


def test_a_search_needs_no_login_and_shows_none(sent, own_netrc):
    own_netrc(DEFAULT + "machine cmr.earthdata.nasa.gov login d password four\n")
    assert list(sources.search(WAY, products.product("mod17a3hgf"), {"version": "061"}, (2001,), ())) == []
    assert {(url.split("/")[2], shown) for _, url, shown in sent} == {("cmr.earthdata.nasa.gov", None)}


def test_a_login_of_the_environment_is_tried_alone_and_if_refused_not_told(sent, own_netrc, monkeypatch, capfd, caplog):
    own_netrc(EARTHDATA + DEFAULT)
    monkeypatch.setenv("EARTHDATA_USERNAME", "you")
    monkeypatch.setenv("EARTHDATA_PASSWORD", "hunter2")
    with pytest.raises(fetch.FetchError) as error:
        sources.logged_in(WAY)
    assert [shown for *_, shown in sent] == [None, basic("you", "hunter2")]
    assert "Earthdata refuses the login that it was given (environment); correct it: " in one_line(error)
    assert "hunter2" not in "".join(traceback.format_exception(error.value)) + "".join(capfd.readouterr()) + caplog.text


@pytest.mark.parametrize(
    ("held", "why"),
    [(None, "No .netrc found"), (DEFAULT, "Username not found"), ("# mine\nhunter2 machine x\n", "Unable to parse")],
)
def test_without_a_login_it_says_how_to_get_one(sent, own_netrc, held, why):
    if held:
        own_netrc(held)
    with pytest.raises(fetch.FetchError) as error:
        sources.logged_in(WAY)
    said = one_line(error)
    assert said.startswith(f"mod17a3hgf: expected an Earthdata login, found none ({why}")
    assert said.endswith(sources.HOW_TO_LOG_IN)
    assert "hunter2" not in said
    assert sent == []


def test_an_encrypted_address_leads_to_encrypted_ones_only():
    def prepared(url):
        return requests.Request("GET", url).prepare()

    led = SimpleNamespace(request=prepared("https://a.org/x"))
    sources.Session().rebuild_auth(prepared("https://b.org/x"), led)
    with pytest.raises(fetch.FetchError, match="expected a redirect that stays encrypted, found one to http://127.0"):
        sources.Session().rebuild_auth(prepared("http://127.0.0.1/x"), led)


def test_proxies_and_certificates_of_the_environment_still_count(other, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", other.url)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/own/bundle.pem")
    other.put("http://localhost:1/x", GZIP)
    with sources.Session() as session:
        assert session.get("http://localhost:1/x").content == GZIP
        settings = session.merge_environment_settings("https://example.org", {}, None, None, None)
        assert settings["verify"] == "/own/bundle.pem"
