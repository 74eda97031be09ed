"""Which process models a run compares with: those it names, or all that lie in the folder."""

import pytest

from helpers.products import ProductError, process_models


@pytest.fixture
def native(tmp_path):
    for name in ("mstmip/B/B_SG3_Monthly_TotalResp.nc4", "mstmip/A/A_SG3_Monthly_ra.nc4", "trendy/C/C_S3_ra.nc"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.touch()
    (tmp_path / "mstmip" / "A" / "readme.txt").touch()
    return tmp_path


def test_all_models_of_the_folder_by_default(native):
    assert process_models.configured(native) == {"A": "mstmip", "B": "mstmip", "C": "trendy"}


def test_named_models_in_the_order_named(native):
    assert list(process_models.configured(native, {"trendy": ["C"], "mstmip": ["B"]})) == ["C", "B"]


def test_none_where_none_lie(tmp_path):
    assert process_models.configured(tmp_path) == {}


@pytest.mark.parametrize(
    ("wanted", "message"),
    [({"cmip": ["A"]}, "among mstmip, trendy"), ({"mstmip": ["Z"]}, "process model 'Z', found A, B")],
)
def test_an_unknown_product_or_model_is_named(native, wanted, message):
    with pytest.raises(ProductError, match=message):
        process_models.configured(native, wanted)


@pytest.mark.parametrize("name", ["D_S3_ra.nc.tar.gz", "D_s3_ra.nc", "D_S3_ra.NC", "D-S3-ra.nc", "ra_D_S3.nc"])
def test_a_model_whose_files_are_not_read_is_told(native, name):
    """It would vanish from the comparison without a word."""
    (native / "trendy" / name).touch()
    with pytest.warns(
        UserWarning, match=f"{name}.*: expected a file named like CABLE-POP_S3_rh.nc.* so it is left out"
    ):
        assert process_models.configured(native) == {"A": "mstmip", "B": "mstmip", "C": "trendy"}


def test_what_systems_hide_in_folders_is_no_model(native):
    for name in (
        "mstmip/A/._D_SG3_Monthly_ra.nc4",
        "trendy/__MACOSX/E_S3_ra.nc",
        "trendy/.ipynb_checkpoints/F_S3_ra.nc",
    ):
        (native / name).parent.mkdir(exist_ok=True)
        (native / name).touch()
    (native / "trendy" / "landmask.nc").touch()
    assert process_models.configured(native) == {"A": "mstmip", "B": "mstmip", "C": "trendy"}


def test_folders_behind_links_are_looked_into(native, tmp_path_factory):
    disk = tmp_path_factory.mktemp("disk")
    (disk / "G_S3_ra.nc").touch()
    (disk / "round").symlink_to(native)
    (native / "trendy" / "G").symlink_to(disk)
    assert process_models.configured(native)["G"] == "trendy"
