"""Maps of whole grids, against plain layers that are asked about one window after the other."""

import cloudpickle
import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from helpers import tasks
from helpers.cnn import mapping
from helpers.cnn.network import Ensemble, Member, predict
from helpers.space import windows

CHANNELS = ("mat", "map", "npp", "soc")


def planet(holes=0.15, rows=35, columns=90, whole=True, seed=0):
    """Random fields of two years with holes, most of them at other cells from channel to channel."""
    rng = np.random.default_rng(seed)
    lon = -180 + 360 * (np.arange(columns) + 0.5) / columns if whole else 0.5 + np.arange(columns)
    lat = 89.0 - 178 / (rows - 1) * np.arange(rows)
    ds = xr.Dataset(coords={"year": [2001, 2002], "lat": lat, "lon": lon})
    sea = rng.random((rows, columns)) < 0.02
    sea[10:30, 70:85] = True  # an ocean
    for name in CHANNELS:
        shape = (rows, columns) if name == "soc" else (2, rows, columns)
        values = rng.normal(5.0, 3.0, shape).astype("float32")
        values[..., sea | (rng.random((rows, columns)) < holes / 4)] = np.nan
        ds[name] = (("lat", "lon") if name == "soc" else ("year", "lat", "lon"), values)
    return ds


def networks(architecture, own=False, linear=False, seed=0):
    """An ensemble of three with random weights, of which one doesn't see all channels."""
    rng = np.random.default_rng(seed)
    members = [Member(f"{k}", CHANNELS if k != 1 else ("mat", "npp", "soc"), seed + k) for k in range(3)]
    ensemble = Ensemble(members, CHANNELS, architecture)
    for k in range(3):  # most cells above zero, where the ReLU of the output hides nothing
        weights = ensemble.weights(k)
        ensemble.set_weights(k, weights | {"full.bias": weights["full.bias"] + 0.4})
    shape = (3, len(CHANNELS)) if own else len(CHANNELS)
    ensemble.mean = torch.tensor(rng.normal(5.0, 1.0, shape), dtype=torch.float32)
    ensemble.sd = torch.tensor(rng.uniform(2.0, 4.0, shape), dtype=torch.float32)
    ensemble.scale = torch.tensor([2.0, 3.0, 0.5]) if own else torch.tensor(1.7)
    if linear:
        ensemble.linear = torch.tensor(rng.normal(0, 0.2, (3, len(CHANNELS))), dtype=torch.float32)
    return ensemble


def by_windows(ensemble, ds, year, fill="centre"):
    """Cut every cell's window and ask each member's plain layers about it."""
    out = np.full((len(ensemble.members), ds.sizes["lat"], ds.sizes["lon"]), np.nan)
    lat, lon = (c.ravel() for c in np.meshgrid(ds.lat, ds.lon, indexing="ij"))
    cut = windows.at_points(ds[list(ensemble.channels)], lat, lon, np.full(lat.size, year), fill=fill).values
    there = np.isfinite(cut).all((1, 2, 3))
    edge = 1 - ensemble.window // 2
    cut = torch.tensor(cut[there][:, :, edge : 3 - edge, edge : 3 - edge]).double()
    for k, places in enumerate(ensemble.places):
        weights = {name: value.double() for name, value in ensemble.weights(k).items()}
        kinds = {"mean": 1, "sd": 1, "scale": 0}
        mean, sd, scale = (v if v.ndim == n else v[k] for v, n in ((getattr(ensemble, a), n) for a, n in kinds.items()))
        x = (cut - mean[:, None, None].double()) / sd[:, None, None].double()
        middle, x, size = x[:, :, ensemble.window // 2, ensemble.window // 2], x[:, places], ensemble.window
        for i in range(len(ensemble.architecture["widths"])):
            kernel = weights[f"conv{i + 1}.weight"]
            layer = nn.Conv2d(kernel.shape[1], len(kernel), kernel.shape[2:], padding="same").double()
            layer.load_state_dict({"weight": kernel, "bias": weights[f"conv{i + 1}.bias"]})
            x, size = nn.MaxPool2d(2, 2, ceil_mode=True)(layer(x).relu()), (size + 1) // 2
        full = nn.Linear(x.shape[1], 1).double()
        full.load_state_dict({"weight": weights["full.weight"], "bias": weights["full.bias"]})
        sums = full(x.flatten(1))[:, 0]
        if ensemble.linear is not None:
            sums = sums + middle @ ensemble.linear[k].double()
        out[k].flat[there] = (sums.relu() * scale).detach().numpy()
    return out


@pytest.mark.parametrize(
    ("architecture", "more"),
    [
        ({"widths": [16, 32, 64], "kernel": 3}, {}),
        ({"widths": [5, 7], "kernel": 1}, {"own": True}),
        ({"widths": [4, 6, 8, 3], "kernel": 5}, {"linear": True}),
        ({"widths": [6, 5, 4], "kernel": 3}, {"own": True, "linear": True}),
        ({"widths": [6, 5], "kernel": 3, "window": 1}, {"own": True, "linear": True}),
    ],
)
@pytest.mark.parametrize("planets", [{}, {"whole": False, "holes": 0.5}, {"holes": 0.0}])
def test_maps_are_what_plain_layers_make_of_every_window(architecture, more, planets):
    ds, ensemble = planet(**planets), networks(architecture, **more)
    for fill in ("centre", "drop"):
        ((_, maps),) = mapping.predict_grid(ensemble, ds, [2002], fill=fill)
        expected = by_windows(ensemble, ds, 2002, fill)
        assert maps.dtype == np.float32 and 0 < np.isfinite(expected).sum() < expected.size
        assert ((expected > 0).sum(axis=(1, 2)) > 0.3 * np.isfinite(expected[0]).sum()).all()
        np.testing.assert_allclose(maps, expected, rtol=2e-5, atol=2e-5)


def test_maps_depend_on_no_strip_no_worker_and_no_other_year():
    ds, ensemble = planet(), networks({"widths": [8, 9], "kernel": 3})
    whole = dict(mapping.predict_grid(ensemble, ds, [2002, 2001]))
    assert list(whole) == [2002, 2001]
    for rows in (1, 7, 16):
        for year, maps in mapping.predict_grid(ensemble, ds, [2002, 2001], rows=rows):
            np.testing.assert_allclose(maps, whole[year], rtol=2e-5, atol=2e-5)


def test_a_strip_travels_and_gives_the_same_bytes_there(tmp_path, monkeypatch):
    planet().to_zarr(tmp_path / "fields.zarr", zarr_format=2)
    ds, ensemble = xr.open_zarr(tmp_path / "fields.zarr"), networks({"widths": [8, 9], "kernel": 3})
    here = dict(mapping.predict_grid(ensemble, ds, [2001, 2002], lambda said: said.mean(axis=0)[None], rows=16))

    def elsewhere(work, items, **bar):
        for item in items:
            parcel = cloudpickle.dumps((work, item))
            assert len(parcel) < 500_000  # no field travels
            again, same = cloudpickle.loads(parcel)
            yield again(same)

    monkeypatch.setattr(tasks, "each", elsewhere)
    for year, maps in mapping.predict_grid(ensemble, ds, [2001, 2002], lambda said: said.mean(axis=0)[None], rows=16):
        assert np.isfinite(maps).any()
        np.testing.assert_array_equal(maps, here[year])


def test_two_ensembles_share_the_cells_where_all_their_channels_are():
    ds, both = planet(), networks({"widths": [8, 9], "kernel": 3})
    few = Ensemble([Member("few", ("soc", "mat"), 5)], ("soc", "mat"), {"widths": [3, 4], "kernel": 3})
    ((_, maps),) = mapping.predict_grid([both, few], ds, [2001])
    expected = by_windows(few, ds, 2001)[0]
    there = np.isfinite(by_windows(both, ds, 2001)[0])
    assert (np.isfinite(maps) == there).all() and (there != np.isfinite(expected)).any()
    np.testing.assert_allclose(maps[3], np.where(there, expected, np.nan), rtol=2e-5, atol=2e-5)


def test_maps_are_those_of_predict():
    ds, ensemble = planet(), networks({"widths": [16, 32, 64], "kernel": 3}, own=True)
    ((_, maps),) = mapping.predict_grid(ensemble, ds, [2001])
    for part, valid, cubes in windows.strips(ds, CHANNELS, 2001, 9):
        found = maps[:, part].reshape(3, -1)[:, valid]
        np.testing.assert_allclose(found, predict(ensemble, cubes), rtol=1e-5, atol=1e-5)


def test_cells_alone_are_asked_where_they_have_a_window():
    ds = planet()
    for fill in ("centre", "drop"):
        ((_, sums),) = mapping.map_cells(lambda x: x.sum(axis=1), ds, CHANNELS, [2001], fill=fill, rows=16)
        slow = sum(ds[c].sel(year=2001) if "year" in ds[c].dims else ds[c] for c in CHANNELS).values
        cut = windows.strips(ds, CHANNELS, 2001, 35, fill=fill)
        there = np.isin(np.arange(slow.size), next(cut)[1]).reshape(slow.shape)
        np.testing.assert_allclose(sums, np.where(there, slow, np.nan), rtol=1e-6)


def test_fields_without_years_and_a_planet_without_land():
    ds = planet().sel(year=2001, drop=True)
    ensemble = networks({"widths": [8, 9], "kernel": 3})
    ((_, maps),) = mapping.predict_grid(ensemble, ds, [None])
    np.testing.assert_array_equal(maps, next(mapping.predict_grid(ensemble, planet(), [2001]))[1])
    ((_, none),) = mapping.predict_grid(ensemble, ds * np.nan, [None], lambda said: said[:2])
    assert none.shape == (2, 35, 90) and np.isnan(none).all()


def test_what_cannot_be_mapped_is_refused_in_one_line():
    ds, ensemble = planet(), networks({"widths": [8, 9], "kernel": 3})
    wide = networks({"widths": [8, 9, 4], "kernel": 3, "window": 5})
    refused = [
        (lambda: next(mapping.predict_grid(ensemble, ds, [2001], fill="nan")), "fill: expected centre or drop"),
        (lambda: next(mapping.predict_grid(ensemble, ds, [1999])), "year: expected one of 2001 to 2002, found 1999"),
        (lambda: next(mapping.predict_grid(ensemble, ds.drop_vars("npp"), [2001])), "'npp' is no variable"),
        (lambda: next(mapping.predict_grid(wide, ds, [2001])), "window: expected 1 or 3 to map with, found 5"),
        (
            lambda: next(mapping.predict_grid(ensemble, ds, [2001], rows=-3)),
            "rows: expected a whole .* found -3",
        ),
    ]
    assert list(mapping.predict_grid(ensemble, ds, [])) == [], "no year, no map"
    for call, words in refused:
        with pytest.raises(ValueError, match=words) as error:
            call()
        assert "\n" not in str(error.value)
