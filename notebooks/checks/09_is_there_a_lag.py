"""Checks of chapter 9's exercises; see `helpers.publish.students` for what they are."""

from otter.test_files import test_case


@test_case(
    failure_message="Give slopes_within, or the chapter's test with intervals, one slope for SPEI12 and one for SPEI24."
)
def exercise_1_has_both_slopes(other):
    assert {"spei12", "spei24"} <= {str(name).lower() for name in other.index}


@test_case(hidden=True)
def exercise_1_values(other, slopes_within, log_reco, centre, base):
    right = slopes_within(log_reco, centre[[*base, "spei12", "spei24"]])
    found = other["slope"] if hasattr(other, "columns") else other
    assert all(abs(found[name] - right[name]) < 1e-4 for name in ("spei12", "spei24"))


@test_case(
    failure_message="A width is no negative number. With one seed there is no standard error, and the width is not a number (nan)."
)
def exercise_2_is_a_width(over_seeds, lag_networks):
    assert over_seeds >= 0 or lag_networks < 2


@test_case(hidden=True)
def exercise_2_value(over_seeds, lags, observed, told, both, variation):
    import numpy as np

    single = lags.squared_errors(observed, told.values)[0]
    gain = lags.plain_gain(single[both[1]], single[both[0]], variation["all"])
    right = 4 * gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else np.nan
    assert np.isclose(over_seeds, right, rtol=1e-3, equal_nan=True)
