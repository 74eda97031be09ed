"""The rule of sink and source and its certainty, against slow counts and its own algebra."""

from itertools import permutations
from math import factorial

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from helpers.stats import risk

NAMES = ["USA", "China", "Europe", "Brazil"]


def field(values):
    return xr.DataArray(np.asarray(values), dims=("lat", "lon"))


def groups(flags, names=("first", "second", "nowhere")):
    return {name: field(flags) == code for code, name in enumerate(names)}


def test_verdict_follows_the_rule_and_a_percentage_is_no_share():
    shares = {0.6: risk.SINK, 1.0: risk.SINK, 0.5: risk.EVEN, 0.4999: risk.RISK, 0.0: risk.RISK, np.nan: risk.EMPTY}
    assert {share: risk.verdict(share) for share in shares} == shares
    with pytest.raises(ValueError, match="divide percentages by 100"):
        risk.verdict(65.59)


def test_faster_shares_by_hand_follow_area_where_cells_would_say_otherwise():
    difference = field([[1.0, -1.0, np.nan], [2.0, 0.0, -3.0]])
    table = risk.faster_shares(difference, field([[1.0] * 3, [4.0] * 3]), groups([[0, 0, 0], [0, 0, 1]]))
    first = table.set_index("name").loc["first"]
    assert (first.n_cells, first.n_ties, first.area_m2, first.analysed_m2) == (3, 1, 11, 6)
    assert (first.npp_faster_pixel, first.npp_faster_area) == pytest.approx((2 / 3, 5 / 6))
    assert table.verdict.tolist() == [risk.SINK, risk.RISK, risk.EMPTY] and table.n_cells[2] == 0
    small = risk.faster_shares(field([[1.0, 1.0, -1.0]]), field([[1.0, 1.0, 5.0]]), groups([[0, 0, 0]]))
    assert small.npp_faster_pixel[0] > 0.5 and small.verdict[0] == risk.RISK


@settings(max_examples=25, deadline=None)
@given(
    gap=arrays("float64", (4, 5), elements=st.one_of(st.just(np.nan), st.just(0.0), st.floats(-1, 1))),
    flags=arrays("int8", (4, 5), elements=st.integers(0, 2)),
)
def test_points_lie_on_the_line_and_swapping_the_two_swaps_the_shares(gap, flags):
    area = field(np.linspace(1, 2, 20).reshape(4, 5))
    one, other = (risk.faster_shares(field(sign * gap), area, groups(flags)) for sign in (1, -1))
    some = one.n_cells > 0
    for how in ("pixel", "area"):
        total = one[f"npp_faster_{how}"] + one[f"reco_faster_{how}"]
        np.testing.assert_allclose(total[some], 1, rtol=1e-12)
        assert total[~some].isna().all()
        np.testing.assert_array_equal(one[f"npp_faster_{how}"], other[f"reco_faster_{how}"])
    for code, row in enumerate(one.itertuples()):
        assert row.n_cells + row.n_ties == (np.isfinite(gap) & (flags == code)).sum()


def test_the_table_covers_bands_biomes_and_economies():
    flags = {"band": [[0, 1, 1, 2]], "igbp": [[1, 2, 0, 10]], "economy": [[1, 4, 0, 0]], "area": [[1.0, 2.0, 2.0, 1.5]]}
    static = xr.Dataset({name: (("lat", "lon"), np.asarray(values)) for name, values in flags.items()})
    table = risk.table(field([[0.5, -0.5, np.nan, np.nan]]), static).set_index(["grouping", "name"])
    assert table.groupby("grouping").size().to_dict() == {"band": 4, "biome": 16, "economy": 5}
    assert table.area_m2["band", "Global"] == 4.5, "water without a value is no land"
    assert table.npp_faster_area["band", "Global"] == pytest.approx(1 / 3)
    assert table.verdict["biome", "ENF"] == risk.SINK and table.verdict["economy", "Brazil"] == risk.RISK
    assert table.verdict["band", "Southern Extra-tropics"] == risk.EMPTY


def test_a_rule_is_right_where_it_has_the_sign_of_the_true_sink():
    """Four cells of areas 1, 1, 2, 4; the last has no truth and the rule is wrong in the third."""
    static = xr.Dataset({"area": field([[1.0, 1.0, 2.0, 4.0]]), "band": field(np.array([[0, 0, 1, 1]], "int8"))})
    sink, rule = field([[0.1, -0.1, 0.3, np.nan]]), field([[1.0, -2.0, -1.0, 1.0]])
    scores = risk.against({"D": rule}, sink, field([[True] * 4]), static)
    assert scores.index.tolist() == ["D: right", "D: above zero", "the true sink grows"]
    assert scores["Global"].tolist() == [50.0, 25.0, 75.0]
    assert scores["Tropics"].tolist() == [0.0, 0.0, 100.0]
    assert scores["Southern Extra-tropics"].isna().all()


def shares(values, names=NAMES):
    return xr.DataArray(values, dims=("draw", "region"), coords={"region": names})


def random_shares(seed=0, draws=400):
    return shares(np.random.default_rng(seed).normal([0.5, 0.55, 0.45, 0.8], 0.1, (draws, 4)))


def test_intervals_of_shares_leave_open_what_straddles_one_half():
    k = np.arange(101) / 100
    drawn = {"sink": 0.6 + 0.3 * k, "source": 0.1 * k, "open": k, "even": 0 * k + 0.5, "nowhere": k * np.nan}
    table = risk.share_intervals(shares(np.stack(list(drawn.values()), axis=1), list(drawn)))
    assert table.verdict.tolist() == [risk.SINK, risk.RISK, *[risk.INDISTINGUISHABLE] * 2, risk.EMPTY]
    assert table.loc["sink", ["median", "low", "high"]].tolist() == pytest.approx([0.75, 0.615, 0.885])
    assert table.loc["nowhere", ["median", "low", "high"]].isna().all()


def test_ranks_agree_with_a_slow_count_and_ties_share_theirs():
    drawn = random_shares()
    table = risk.ranked(drawn)
    slow = np.zeros((4, 4))
    for draw in drawn.values:
        for place, region in enumerate(sorted(range(4), key=lambda k: -draw[k])):
            slow[region, place] += 1
    np.testing.assert_allclose(table, slow / 400, rtol=1e-12)
    assert table.index.tolist() == NAMES and table.columns.tolist() == [1, 2, 3, 4]
    tied = shares([[1.0, 1.0, 0.5, 1.0]])
    assert risk.ranked(tied).loc["USA"].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])
    assert risk.order_probability(tied, ["USA", "China"]) == 0


def test_probabilities_of_orders_agree_with_a_slow_count_and_with_chance():
    drawn = random_shares(2)
    slow = [tuple(NAMES[k] for k in sorted(range(4), key=lambda k: -draw[k])) for draw in drawn.values]
    each = {order: risk.order_probability(drawn, order) for order in permutations(NAMES)}
    assert each == pytest.approx({order: slow.count(order) / 400 for order in each})
    chance = shares(np.random.default_rng(3).random((20_000, 4)))
    assert risk.order_probability(chance, ["Brazil", "USA", "China"]) == pytest.approx(1 / factorial(3), abs=0.01)
