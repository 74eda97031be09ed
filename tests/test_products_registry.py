"""The registry of products: every entry is whole, a slip is told in one line, and its tables say what it says."""

import re
from dataclasses import replace

import pytest
import yaml

from helpers import products
from helpers.products import ProductError, registry
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
        about = registry.attributes(field.name)
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
        (lambda about: about.pop("fields"), "fields"),
        (lambda about: about.update(licens="x"), "licens"),
        (lambda about: about.update(file="(spei"), "missing \\)"),
        (lambda about: about["fields"].update(spei12={"stored": "spei", "scael": 1}), "scael"),
    ],
)
def test_a_slip_is_told_by_its_name(change, message, monkeypatch):
    content = yaml.safe_load(registry.REGISTRY.read_text(encoding="utf-8"))
    change(content["products"]["spei"])
    monkeypatch.setattr(registry, "_content", lambda: content)
    with pytest.raises(ProductError, match=rf"products\.yml: product 'spei': .*{message}.*; correct the entry$"):
        registry.product.__wrapped__("spei")


def test_a_first_year_is_told_where_a_version_has_one():
    late = replace(products.product("spei"), starts={"9.9": 1950})
    assert products.first_year(late, "9.9") == 1950 and products.first_year(late, "2.6") is None


def test_attributes_of_any_scale():
    assert registry.attributes("spei48")["long_name"] == "drought index SPEI over the 48 months to December"
    assert registry.attributes("soc_15")["long_name"] == "soil organic carbon content at 15 cm"
    assert registry.attributes("tas") == {}


def test_the_table_of_variables_says_how_each_is_stored():
    table = products.variables_table().set_index(["product", "variable"])
    lai, pet = table.loc[("glass_lai", "lai")], table.loc[("cru_pet", "pet")]
    stored = ["units", "stored as", "scale", "valid", "fill"]
    assert lai[stored].tolist() == ["m2 m-2", "LAI", 0.1, "0 to 100", "255"]
    assert pet["stored units"] == "mm/day" and pet["units"] == "mm yr-1"
    assert set(products.variables_table(["cmip6"])["variable"]) == {"reco", "ra", "rh", "gpp", "npp"}
