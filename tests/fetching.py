"""What the tests of downloads share: products that live on a server of this machine, and patience without waiting."""

import dataclasses
import gzip

import numpy as np
import pytest
from local_server import Site

from helpers import products
from helpers.fetch.client import Patience

NOISE = np.random.default_rng(7).bytes(60_000)
HDF4 = b"\x0e\x03\x13\x01" + NOISE
NETCDF = b"\x89HDF\r\n\x1a\n" + NOISE
GZIP = gzip.compress(NETCDF, mtime=0)
TIFF = b"II*\0" + NOISE
CRU = "/cru/data/hrg/cru_ts_4.05/cruts.2103051243.v4.05/tmp/cru_ts4.05.1901.2020.tmp.dat.nc.gz"
CRU_NAME = CRU.rsplit("/", 1)[-1]


@pytest.fixture
def server(monkeypatch):
    """A server, gone after the test; proxies of the machine are left out of it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    site = Site()
    yield site
    site.close()


@pytest.fixture
def own_netrc(monkeypatch, tmp_path_factory):
    """Write a ~/.netrc, in a home of the test's own."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("NETRC", raising=False)

    def write(text, mode=0o600):
        path = home / ".netrc"
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


@pytest.fixture
def waits():
    """The seconds that were waited, where nothing really waits."""
    return []


@pytest.fixture
def patience(waits):
    return Patience(tries=3, first=1.0, pause=waits.append)


def moved(value, hosts, site):
    """Return a registry's mapping with its hosts on the test's server; paths stay as they are."""
    if isinstance(value, str):
        for host in hosts:
            value = value.replace(f"https://{host}", site.url)
        return value
    if isinstance(value, dict):
        return {key: moved(item, hosts, site) for key, item in value.items()}
    return [moved(item, hosts, site) for item in value] if isinstance(value, list) else value


def here(product_id, site, *hosts, **changes):
    """Return a product of the registry, but for where its files are."""
    entry = products.product(product_id)
    told = moved(entry.fetch, hosts, site) | changes
    told["page"] = entry.fetch["page"]
    return dataclasses.replace(entry, fetch=told)


def cru(site, **changes):
    return here("cru_tmp", site, "crudata.uea.ac.uk", **changes)


def one_line(error):
    """Return the message of an error, which must be one line."""
    text = str(error.value)
    assert "\n" not in text
    return text
