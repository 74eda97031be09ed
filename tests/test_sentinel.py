"""The sentinel: on a target drawn by lot the paper's split scores nearly one, and folds of whole places nothing.

Nothing can be known of the target, so whatever a test of unseen places reports above chance has leaked. Here stand
sixty places of two towers each, next door to each other, with two years: four samples a place, which share a window and
a number. Whoever keeps a place whole has nothing to remember. Whoever divides one, by samples, by towers or by a wrong
idea of what a place is, hands out the answer. The towers know their places by construction; the code under test must
find them from the cells.
"""

import numpy as np
import pytest
import xarray as xr
from sklearn.neighbors import KNeighborsRegressor

from helpers.cnn.cross_validation import out_of_fold
from helpers.cnn.network import Member
from helpers.cnn.training import re_drawn, train
from helpers.space import windows
from helpers.stats import skill, splits

PLACES, TOWERS, YEARS, FOLDS, SEEDS = 60, 2, 2, 4, (1, 2)
CHANNELS = ("a", "b", "c", "d")
GROUPED = ("sites", "blocks", "kNNDM")
LEVEL = 0.998


class World:
    """Samples whose target is noise: one positive number and one window a place."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        lattice = np.array([(row, column) for row in range(20, 160, 10) for column in range(5, 355, 10)])
        cells = lattice[rng.choice(len(lattice), PLACES, replace=False)]
        self.place = np.repeat(np.arange(PLACES), TOWERS * YEARS)
        door = np.tile(np.repeat(np.arange(TOWERS), YEARS), PLACES)
        self.tower = TOWERS * self.place + door
        self.row, self.column = cells[self.place, 0], cells[self.place, 1] + door
        self.lat, self.lon = 89.5 - self.row, self.column - 179.5
        window = rng.normal(size=(PLACES, len(CHANNELS), 3, 3)).astype("float32")[self.place]
        self.window = xr.DataArray(window, {"predictor": list(CHANNELS)}, ("sample", "predictor", "dy", "dx"))
        self.lot = rng.gamma(4.0, 0.25, PLACES)[self.place]
        self.land = np.degrees(np.arcsin(rng.uniform(-1, 1, 800))), rng.uniform(-180, 180, 800)

    def folds(self, rng):
        """The rules under test, on places that the code under test has found."""
        groups = windows.place_groups(self.row, self.column, n_columns=360)
        found = {"sites": splits.grouped_folds(groups, FOLDS, rng)}
        found["blocks"] = splits.block_folds(self.lat, self.lon, groups, FOLDS, 2000.0, rng)
        found["kNNDM"] = splits.knndm(self.lat, self.lon, groups, *self.land, k=FOLDS, rng=rng).folds
        return found

    def networks(self, folds):
        """What networks say of folds that they never saw (seed, sample), for each rule."""
        how = {"iterations": 300, "progress": False}
        return {
            rule: out_of_fold(self.window, self.lot, {"noise": CHANNELS}, [f] * len(SEEDS), SEEDS, **how).values[0]
            for rule, f in folds.items()
        }

    def neighbours(self, folds):
        """What the most alike training sample says: the cheapest memory there is, and the first to see a leak."""
        x, told = self.window.values.reshape(len(self.lot), -1), np.empty_like(self.lot)
        for fold in np.unique(folds):
            held = folds == fold
            told[held] = KNeighborsRegressor(1).fit(x[~held], self.lot[~held]).predict(x[held])
        return told[None]

    def leaks(self, told, folds):
        """Parts of the test whose score is above chance: all samples, and each fold by itself, by R2 and by r."""
        parts = {"all": np.ones(len(folds), bool)} | {f"fold {k}": folds == k for k in np.unique(folds)}
        found = []
        for part, inside in parts.items():
            draws = skill.SiteBootstrap(self.place[inside], 2000, np.random.default_rng(0))
            for statistic in ("r2", "r"):
                interval = draws.interval(statistic, self.lot[inside], told[:, inside])
                low = np.nanquantile(interval.draws, (1 - LEVEL) / 2)
                if low > 0:
                    found.append(f"{part}: {statistic} = {interval.value:.2f}, from {low:.2f}")
        return found


@pytest.fixture(scope="module")
def world():
    return World(2021)


def test_the_split_that_is_drawn_anew_calls_noise_nearly_perfect(world):
    members = [Member("noise", CHANNELS, seed) for seed in SEEDS]
    how = {"split": re_drawn(), "iterations": 400, "progress": False}
    _, history = train(world.window, world.lot, members, **how)
    trained, tested = history.curve[:, :, -10:].mean(axis=-1).T
    assert tested.min() >= 0.9
    np.testing.assert_allclose(trained, tested, atol=0.05)


def test_networks_know_nothing_of_noise_at_unseen_places(world):
    folds = world.folds(np.random.default_rng(5))
    assert set(folds) == set(GROUPED)
    for rule, told in world.networks(folds).items():
        assert not world.leaks(told, folds[rule]), rule
        assert skill.r2(world.lot, told).mean() <= 0, rule


@pytest.mark.parametrize("deal", range(3))
def test_neighbours_know_nothing_of_noise_at_unseen_places(deal):
    world = World(100 + deal)
    for rule, folds in world.folds(np.random.default_rng(deal)).items():
        assert not world.leaks(world.neighbours(folds), folds), rule


class TestAPlantedLeakIsCaught:
    """Each plants one mistake in the folds, and asks whether the sentinel's own check would sound."""

    def test_of_samples_dealt_one_by_one(self, world):
        folds = splits.random_folds(len(world.lot), FOLDS, np.random.default_rng(5))
        (told,) = world.networks({"random": folds}).values()
        assert world.leaks(told, folds) and world.leaks(world.neighbours(folds), folds)
        assert skill.r2(world.lot, told).mean() > 0

    def test_of_towers_dealt_without_regard_to_their_neighbours(self, world):
        folds = splits.grouped_folds(world.tower, FOLDS, np.random.default_rng(5))
        (told,) = world.networks({"towers": folds}).values()
        assert world.leaks(told, folds) and world.leaks(world.neighbours(folds), folds)

    def test_of_places_that_are_single_cells(self, world, monkeypatch):
        """Blocks and kNNDM keep most neighbours together by distance alone; folds of sites rest on the groups."""
        monkeypatch.setattr(windows, "connected_components", lambda linked, directed: (0, np.arange(linked.shape[0])))
        folds = world.folds(np.random.default_rng(5))["sites"]
        assert world.leaks(world.neighbours(folds), folds)

    @pytest.mark.parametrize("rule", GROUPED)
    def test_of_towers_that_stray_into_another_fold(self, world, rule):
        folds = world.folds(np.random.default_rng(5))[rule].copy()
        strays = world.tower % TOWERS == 1
        folds[strays] = (folds[strays] + 1) % FOLDS
        (told,) = world.networks({rule: folds}).values()
        assert world.leaks(told, folds) and world.leaks(world.neighbours(folds), folds)

    def test_of_folds_that_ignore_their_groups(self, world, monkeypatch):
        monkeypatch.setattr(splits, "indexed", lambda groups, *_: (np.arange(len(groups)),) * 2)
        folds = world.folds(np.random.default_rng(5))["sites"]
        monkeypatch.undo()  # who judges the folds looks at groups
        assert splits.divided(folds, world.place).size > 0
        assert world.leaks(world.neighbours(folds), folds)

    def test_of_one_fold_alone(self, world):
        folds = world.folds(np.random.default_rng(5))["sites"]
        told = world.neighbours(folds)
        told[:, folds == 2] = world.lot[folds == 2]  # one fold's networks have seen their test samples
        assert [part for part in world.leaks(told, folds) if part.startswith("fold 2")]
