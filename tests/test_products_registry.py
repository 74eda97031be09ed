"""The registry of products: every entry is whole, slips are told in one line, and its tables say what it says."""

import copy
import re

import pytest
import yaml

from helpers import products
from helpers.products import ProductError, entries, registry
from helpers.workspace import ROOT


@pytest.fixture
def written(tmp_path):
    """Write the registry with one change, and load it."""
    content = yaml.safe_load(registry.REGISTRY.read_text(encoding="utf-8"))

    def load(change):
        changed = copy.deepcopy(content)
        change(changed)
        path = tmp_path / "products.yml"
        path.write_text(yaml.safe_dump(changed, sort_keys=False, allow_unicode=True), encoding="utf-8")
        return entries.load(path, registry.Field)

    return load


def put(*keys, value):
    def change(content):
        place = content
        for key in keys[:-1]:
            place = place[key]
        if value is None:
            del place[keys[-1]]
        else:
            place[keys[-1]] = value

    return change


def test_the_registry_itself_is_whole(written):
    assert list(written(lambda content: None)["products"]) == list(products.products())


@pytest.mark.parametrize("key", [*entries.MUST, *entries.CITED])
def test_an_entry_that_lacks_something_is_told(written, key):
    with pytest.raises(ProductError, match=rf"products\.yml: product 'cru_tmp' lacks {key}; add it$"):
        written(put("products", "cru_tmp", key, value=None))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            put("products", "spei", "licens", value="x"),
            "product 'spei' has an unknown 'licens'; known are family, title",
        ),
        (
            put("products", "spei", "version", value=2.6),
            "'spei': expected version as text, found 2.6; set it in quotes",
        ),
        (put("products", "spei", "family", value="spie"), "'spei': expected family to be a module .*, found 'spie'"),
        (put("products", "spei", "step", value="weekly"), "'spei': expected step among daily, .*, found 'weekly'"),
        (put("products", "spei", "file", value="(spei"), "'spei': expected file to be a regular expression"),
        (put("products", "spei", "example", value="x.nc"), "'spei': expected example to match file, found 'x.nc'"),
        (
            put("products", "spei", "fields", value=["spei12"]),
            r"'spei': fields: expected a mapping .*, found \['spei12'\]",
        ),
        (put("products", "spei", "fields", "soil", value={"stored": "x"}), "'spei': variable 'soil' is not canonical"),
        (put("products", "spei", "fields", "spei12", value={}), "'spei': spei12 lacks stored; add it"),
        (
            put("products", "spei", "fields", "spei12", "scael", value=1),
            "'spei': spei12 has an unknown 'scael'; known are",
        ),
        (put("products", "spei", "starts", value={"2.6": "1901"}), "'spei': starts: expected first years as whole"),
        (put("products", "spei", value="none"), r"'spei': expected a mapping \(name: value\), found 'none'"),
        (put("canonical", "mat", "units", value=None), "canonical 'mat' lacks units; add it"),
        (put("canonical", value=None), "lacks canonical; add it"),
        (put("more", value={}), "has an unknown 'more'; known are canonical, products"),
    ],
)
def test_a_slip_is_told_by_its_name(written, change, message):
    with pytest.raises(ProductError, match=rf"products\.yml:? (?:product )?{message}") as found:
        written(change)
    assert "\n" not in str(found.value)


def test_a_file_that_is_no_yaml_is_told(tmp_path):
    path = tmp_path / "products.yml"
    path.write_text("products: [\n  - {")
    with pytest.raises(ProductError, match=r"products\.yml: expected YAML, cannot read it \(.*\)$") as found:
        entries.load(path, registry.Field)
    assert "\n" not in str(found.value)


def test_every_citation_is_in_the_list_of_references():
    known = set(
        re.findall(r"^@\w+\{(\w+),", (ROOT / "book" / "references.bib").read_text(encoding="utf-8"), re.MULTILINE)
    )
    cited = {entry.citation for entry in products.products().values() if entry.citation}
    assert cited <= known


def test_climate_and_models_take_packed_files():
    for name in ("cru_tmp", "cru_pre", "cru_pet", "spei", "mstmip", "trendy", "cmip6"):
        entry = products.product(name)
        assert all(entry.file.search(entry.example + packed) for packed in ("", ".gz", ".zip"))
        assert not entry.file.search(entry.example + ".part")


def test_a_first_year_is_told_where_a_version_has_one():
    entry = products.product("spei")
    late = type(entry)(**{**vars(entry), "starts": {"9.9": 1950}, "fetch": {"url": "x"}})
    assert products.first_year(late, "9.9") == 1950 and products.first_year(late, "2.6") is None
    assert late.fetch == {"url": "x"} and isinstance(entry.fetch, dict)


def test_attributes_of_any_scale():
    assert registry.attributes("spei48")["long_name"] == "drought index SPEI over the 48 months to December"
    assert registry.attributes("soc_15")["long_name"] == "soil organic carbon content at 15 cm"
    assert registry.attributes("tas") == {}


def test_the_table_of_variables_says_how_each_is_stored():
    table = products.variables_table().set_index(["product", "variable"])
    lai = table.loc[("glass_lai", "lai")]
    assert (lai["units"], lai["stored as"], lai["scale"], lai["valid"], lai["fill"]) == (
        "m2 m-2",
        "LAI",
        0.1,
        "0 to 100",
        "255",
    )
    assert (
        table.loc[("cru_pet", "pet"), "stored units"] == "mm/day"
        and table.loc[("cru_pet", "pet"), "units"] == "mm yr-1"
    )
    assert set(products.variables_table(["cmip6"])["variable"]) == {"reco", "ra", "rh", "gpp", "npp"}
