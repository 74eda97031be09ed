"""Checks of chapter 1's exercises; see `helpers.publish.students` for what they are."""

from otter.test_files import test_case


@test_case(
    failure_message="A map in kelvin, with lat and lon: months differ by three days at most, so the means by a fraction of a kelvin."
)
def exercise_1_is_a_small_difference(wrong):
    assert set(wrong.dims) == {"lat", "lon"} and wrong.count() > 0
    assert float(abs(wrong).max()) < 2


@test_case(
    failure_message="Which month gains most weight, and is it a warm or a cold one there? Take the mean by days off the plain mean."
)
def exercise_1_takes_the_hemispheres_apart(wrong):
    means = [float(wrong.sel(lat=band).mean()) for band in (slice(90, 30), slice(-30, -90))]
    assert means[0] * means[1] < 0


@test_case(hidden=True)
def exercise_1_sign(wrong):
    assert float(wrong.sel(lat=slice(90, 30)).mean()) < 0


@test_case(
    failure_message="Correlate over all cells and years at once, with last year's SPEI12: drought.spei12.shift(year=1)."
)
def exercise_2_are_correlations(alone, both):
    assert -1 <= float(alone) <= 1 and -1 <= float(both) <= 1


@test_case(
    failure_message="The difference has this year's water taken out, so it should follow last year's better. Is SPEI24 weighed by a root?"
)
def exercise_2_the_difference_knows_more(alone, both):
    assert float(both) > float(alone)


@test_case(hidden=True)
def exercise_2_values(alone, both, drought):
    import xarray as xr

    before = drought.spei12.shift(year=1)
    assert abs(float(alone) - float(xr.corr(drought.spei24, before))) < 1e-3
    assert abs(float(both) - float(xr.corr(2**0.5 * drought.spei24 - drought.spei12, before))) < 1e-3
