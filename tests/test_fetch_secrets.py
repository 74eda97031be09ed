"""What is whose: no host sees a login that is not for it, whatever ~/.netrc holds and wherever a redirect leads."""

import base64
import io
import json
import warnings

import earthaccess
import pytest
import requests
from fetching import CRU, GZIP, HDF4, cru, one_line
from local_server import Site
from test_fetch_earthdata import TOKEN, catalogue, granule

from helpers import fetch, products
from helpers.fetch import addresses, client, earthdata, ways

EVERYONE = "machine 127.0.0.1 login a password one\nmachine localhost login b password two\n"
DEFAULT = "default login c password three\n"
EARTHDATA = "machine urs.earthdata.nasa.gov login me password hunter2\n"
NAME = "MOD17A3HGF.A2001001.h18v04.061.2021101120000.hdf"


@pytest.fixture
def other():
    """A second server: the same host, another port."""
    site = Site()
    yield site
    site.close()


@pytest.fixture(autouse=True)
def nobody(monkeypatch, own_netrc):
    """Start without any login."""
    for name in ("EARTHDATA_TOKEN", "EARTHDATA_USERNAME", "EARTHDATA_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(earthaccess, "_auth", earthaccess.Auth())


@pytest.fixture
def sent(monkeypatch):
    """Answer in place of NASA's servers; keep the method, address and Authorization of every request."""
    asked = []

    def send(adapter, request, **_):
        asked.append((request.method, request.url, request.headers.get("Authorization")))
        answer = requests.Response()
        answer.request, answer.url, answer.connection = request, request.url, adapter
        answer.status_code, told = 200, {"items": [], "access_token": TOKEN, "expiration_date": "never"}
        if request.method == "POST" and "Authorization" not in request.headers:
            answer.status_code = 401
        answer.headers["CMR-Hits"] = "0"
        answer.raw = io.BytesIO(json.dumps(told).encode())
        return answer

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    return asked


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def shown_to(*sites):
    """Return every login that the servers were shown, with the path that it was shown for."""
    return [(path, h["Authorization"]) for site in sites for path, h in site.asked if "Authorization" in h]


def led_round(server, other, start, end, body):
    """Lead a download over another name and another port of this machine to its end."""
    server.put("/by-name", status=302, headers={"Location": f"http://127.0.0.1:{other.port}/by-port"})
    other.put("/by-port", status=302, headers={"Location": server.url + end})
    server.put(end, body)
    return server.put(start, status=302, headers={"Location": f"http://localhost:{server.port}/by-name"})


@pytest.mark.parametrize("held", [EVERYONE, DEFAULT, EVERYONE + DEFAULT], ids=["entries", "default", "both"])
def test_a_public_download_shows_no_login_to_anybody(server, other, patience, tmp_path, own_netrc, held):
    own_netrc(held)
    led_round(server, other, CRU, "/end.gz", GZIP)
    assert len(fetch.get(cru(server), tmp_path, progress=False, patience=patience)) == 1
    assert [len(server.asked), len(other.asked)] == [3, 1]
    assert shown_to(server, other) == []


@pytest.mark.parametrize("held", ["", EVERYONE, DEFAULT], ids=["none", "entries", "default"])
def test_the_token_is_shown_to_the_archive_that_was_asked_and_no_netrc_takes_its_place(
    server, other, patience, tmp_path, own_netrc, monkeypatch, held
):
    own_netrc(held)
    monkeypatch.setenv("EARTHDATA_TOKEN", TOKEN)
    url = led_round(server, other, f"/lp-prod-protected/{NAME}", "/bucket/signed", HDF4)
    catalogue(monkeypatch, lambda **_: [granule(url)])
    fetch.get("mod17a3hgf", tmp_path, years=[2001], progress=False, patience=patience)
    assert [len(server.asked), len(other.asked)] == [3, 1]
    assert shown_to(server, other) == [(f"/lp-prod-protected/{NAME}", f"Bearer {TOKEN}")]


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("https://data.lpdaac.earthdatacloud.nasa.gov/x.hdf", True),
        ("https://nasa.gov.example.org/x.hdf", False),
        ("https://notnasa.gov/x.hdf", False),
        ("https://example.org/nasa.gov", False),
    ],
)
def test_a_session_with_a_token_shows_it_to_the_archives_alone(url, seen, own_netrc, monkeypatch):
    own_netrc(EARTHDATA + DEFAULT)
    monkeypatch.setenv("EARTHDATA_TOKEN", TOKEN)
    session = earthdata.session_maker(fetch.way("mod17a3hgf").source("mod17a3hgf"))()
    prepared = session.prepare_request(requests.Request("GET", url))
    assert prepared.headers.get("Authorization") == (f"Bearer {TOKEN}" if seen else None)


@pytest.mark.parametrize("held", [EARTHDATA, DEFAULT + EARTHDATA], ids=["entry", "entry and default"])
def test_a_login_of_netrc_goes_to_earthdata_and_nowhere_else(sent, own_netrc, held):
    own_netrc(held + EVERYONE)
    session = earthdata.session_maker(fetch.way("mod17a3hgf").source("mod17a3hgf"))()
    ask = "https://urs.earthdata.nasa.gov/api/users/find_or_create_token"
    assert sent == [("POST", ask, None), ("POST", ask, basic("me", "hunter2"))]
    session.get("https://data.lpdaac.earthdatacloud.nasa.gov/x.hdf")
    session.get("https://example.org/x.hdf")
    assert [told for *_, told in sent[2:]] == [f"Bearer {TOKEN}", None]


def test_a_login_of_the_environment_is_not_exchanged_for_one_of_netrc(sent, own_netrc, monkeypatch):
    own_netrc(EARTHDATA + DEFAULT)
    monkeypatch.setenv("EARTHDATA_USERNAME", "you")
    monkeypatch.setenv("EARTHDATA_PASSWORD", "word")
    earthdata.session_maker(fetch.way("mod17a3hgf").source("mod17a3hgf"))()
    assert [told for *_, told in sent] == [None, basic("you", "word")]


def test_a_default_entry_is_no_login_of_earthdata(sent, own_netrc):
    own_netrc(DEFAULT, mode=0o644)
    with warnings.catch_warnings(), pytest.raises(fetch.FetchError) as error:
        warnings.simplefilter("error")  # no login is read from it, so its mode is of no matter
        earthdata.session_maker(fetch.way("mod17a3hgf").source("mod17a3hgf"))()
    assert one_line(error) == f"mod17a3hgf: expected an Earthdata login, found none; {earthdata.HOW_TO_LOG_IN}"
    assert sent == []


def test_a_search_needs_no_login_and_shows_none(sent, own_netrc):
    own_netrc(DEFAULT + "machine cmr.earthdata.nasa.gov login d password four\n")
    product = products.product("mod17a3hgf")
    assert earthdata.search(product, ways.of(product), {"version": "061"}, (2001,), ()) == []
    assert {url.split("/")[2] for _, url, _ in sent} == {"cmr.earthdata.nasa.gov"}
    assert {told for *_, told in sent} == {None}


@pytest.mark.parametrize("named", [False, True], ids=["home", "NETRC"])
def test_a_login_that_others_may_read_gets_a_remark(sent, own_netrc, monkeypatch, named):
    path = own_netrc(EARTHDATA, mode=0o640)
    if named:
        path = path.rename(path.with_name("elsewhere"))
        monkeypatch.setenv("NETRC", str(path))
    make = earthdata.session_maker(fetch.way("mod17a3hgf").source("mod17a3hgf"))
    with pytest.warns(UserWarning) as told:
        make()
        make()
    said = f"{path}: holds your login and is open to others (mode 640); run chmod 600 {path}"
    assert [str(one.message) for one in told] == [said]
    path.chmod(0o600)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        earthdata.session_maker(fetch.way("mod17a3hgf").source("mod17a3hgf"))()


def test_a_netrc_that_cannot_be_read_is_named_and_none_of_it_is_shown(sent, own_netrc):
    path = own_netrc("# mine\nhunter2 machine x\n")
    with pytest.raises(fetch.FetchError) as error:
        earthdata.session_maker(fetch.way("mod17a3hgf").source("mod17a3hgf"))()
    assert one_line(error) == (
        f"mod17a3hgf: {path}: expected entries such as 'machine HOST login NAME password WORD', found another; "
        "correct it"
    )


@pytest.mark.parametrize("target", ["http://me:hunter2@localhost:{port}/x.gz", "http://hunter2@127.0.0.1:{port}/x.gz"])
def test_a_redirect_with_a_password_in_it_is_not_followed_nor_shown(server, patience, tmp_path, target):
    server.put(CRU, status=302, headers={"Location": target.format(port=server.port)})
    with pytest.raises(fetch.FetchError, match="stays encrypted and names no user") as error:
        fetch.get(cru(server), tmp_path, progress=False, patience=patience)
    assert "hunter2" not in one_line(error)
    assert server.paths() == [CRU]


@pytest.mark.parametrize(
    "url",
    [
        "https://me:hunter2@example.org/x",
        "https://@example.org/x",
        "https://example.org\\@nasa.gov/x",
        "https://example.org\\.nasa.gov/x",
        "https://example.org%5C.nasa.gov/x",
        "https://nasa.gov:port/x",
        "https://nasa.gov:99999/x",
        "https://[nasa.gov/x",
        "https:///x",
    ],
)
def test_an_address_that_two_may_read_differently_is_refused_in_one_line(url):
    with pytest.raises(products.ProductError) as error:
        addresses.check(url)
    assert "hunter2" not in one_line(error)
    assert not addresses.may_lead_to("https://example.org/x", url)


def test_proxies_and_certificates_of_the_environment_still_count(server, other, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HTTP_PROXY", other.url)
    server.put("/direct", GZIP)
    over = f"http://localhost:{server.port}/x"
    other.put(over, status=302, headers={"Location": f"{server.url}/direct"})
    with client.Bare() as session:
        assert session.get(over).content == GZIP  # by the proxy, and then, where NO_PROXY says so, without it
        assert (other.paths(), server.paths()) == ([over], ["/direct"])
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/own/bundle.pem")
        settings = session.merge_environment_settings("https://example.org", {}, None, None, None)
        assert settings["verify"] == "/own/bundle.pem"
        assert session.merge_environment_settings("https://example.org", {}, None, False, None)["verify"] is False
