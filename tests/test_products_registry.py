"""The registry of products: every entry is whole, a slip is told in one line, and its tables say what it says."""

import re

import pytest
import yaml

from helpers import products
from helpers.products import ProductError
from helpers.workspace import ROOT

ENTRIES = products.products().values()
READERS = ROOT / "src" / "helpers" / "products"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_an_entry_is_whole(entry):
    assert f"\ndef {entry.reader}(" in (READERS / f"{entry.family}.py").read_text(encoding="utf-8")
    assert entry.step in ("daily", "8-day", "monthly", "yearly", "once")
    assert entry.file.search(entry.example) and not entry.file.search(entry.example + ".part")
    texts = (entry.title, entry.version, entry.native, entry.rule, entry.licence, entry.get, entry.superseded_by)
    assert all(isinstance(text, str) for text in texts), "numbers stand in quotes"
    assert not entry.version or entry.citation, "what is published is cited"
    assert all(isinstance(year, int) for year in entry.starts.values())
    for field in entry.fields:
        about = products.attributes(field.name)
        assert about["units"] and about["long_name"], f"{field.name} is not canonical"


def test_every_citation_is_in_the_list_of_references():
    text = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    known = set(re.findall(r"^@\w+\{(\w+),", text, re.MULTILINE))
    assert {entry.citation for entry in ENTRIES if entry.citation} <= known


def test_climate_and_models_take_packed_files():
    for name in ("cru_tmp", "cru_pre", "cru_pet", "spei", "mstmip", "trendy", "cmip6"):
        entry = products.product(name)
        assert all(entry.file.search(entry.example + packed) for packed in ("", ".gz", ".zip"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda about: about.pop("rule"), "rule"),
        (lambda about: about.update(file="(spei"), "missing \\)"),
        (lambda about: about["fields"].update(spei12={"stored": "spei", "scael": 1}), "scael"),
    ],
)
def test_a_slip_is_told_by_its_name(change, message, monkeypatch):
    content = yaml.safe_load(products.REGISTRY.read_text(encoding="utf-8"))
    change(content["products"]["spei"])
    monkeypatch.setattr(products, "CONTENT", content)
    with pytest.raises(ProductError, match=rf"products\.yml: product 'spei': .*{message}.*; correct the entry$"):
        products.product.__wrapped__("spei")


def test_attributes_of_any_scale():
    assert products.attributes("spei48")["long_name"] == "drought index SPEI over the 48 months to December"
    assert products.attributes("soc_15")["long_name"] == "soil organic carbon content at 15 cm"
    assert products.attributes("tas") == {}
