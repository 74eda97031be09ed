"""A Gaussian process with an effect of sites, against scikit-learn's and against mixed models."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import approx_fprime
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, WhiteKernel

from helpers import tasks
from helpers.cnn import baselines


@pytest.fixture
def world():
    """Thirty sites of six years: two lines, an effect of the site, and noise."""
    rng = np.random.default_rng(3)
    site = np.repeat(np.arange(30), 6)
    x = rng.normal(size=(30, 2))[site] + 0.4 * rng.normal(size=(180, 2))
    y = 2 + x @ [0.8, -0.5] + 0.6 * rng.normal(size=30)[site] + 0.2 * rng.normal(size=180)
    return x, y, site


def test_without_an_effect_of_sites_it_is_scikit_learns(world):
    """Where each sample is a site of its own, the effect is noise: the likelihood finds what scikit-learn finds."""
    x, y, _ = world
    ours = baselines.SiteProcess(np.arange(len(y))).fit(x, y)
    z, t = (x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std()
    kernel = ConstantKernel(0.3) * DotProduct(np.sqrt(2), "fixed") + ConstantKernel(0.3) * RBF(1.0) + WhiteKernel(0.4)
    theirs = GaussianProcessRegressor(kernel, n_restarts_optimizer=3, random_state=0).fit(z, t)
    new = np.random.default_rng(4).normal(size=(50, 2))
    said = y.mean() + y.std() * theirs.predict((new - x.mean(0)) / x.std(0))
    np.testing.assert_allclose(ours.predict(new), said, atol=0.01)
    some = (*baselines._parts(z, np.arange(len(y))), t)
    assert -baselines._misfit(ours.theta, *some)[0] == pytest.approx(theirs.log_marginal_likelihood_value_, abs=0.05)


def test_a_line_with_an_effect_of_sites_is_a_mixed_model(world, monkeypatch):
    """Without a bend, and with a line that may be anything, it is a linear mixed model: variances and line alike."""
    x, y, site = world
    tight = np.log([(99.0, 100.0), (1e-5, 1.1e-5), (1e-5, 1e1), (1e-4, 1e1), (1.0, 1.1)])
    monkeypatch.setattr(baselines.SiteProcess, "bounds", tight)
    ours = baselines.SiteProcess(site).fit(x, y)
    theirs = sm.MixedLM(y, sm.add_constant(x), groups=site).fit(reml=True)
    assert ours.variances["site"] == pytest.approx(float(theirs.cov_re[0, 0]), rel=0.05)
    assert ours.variances["noise"] == pytest.approx(theirs.scale, rel=0.05)
    new = np.random.default_rng(4).normal(size=(50, 2))
    np.testing.assert_allclose(ours.predict(new), sm.add_constant(new) @ theirs.fe_params, atol=0.01)
    assert np.abs(sm.OLS(y, sm.add_constant(x)).fit().params - theirs.fe_params).max() > 0.03, "sites matter here"


def test_the_gradient_of_the_likelihood_is_that_of_small_steps(world):
    x, y, site = world
    parts = (*baselines._parts(x, site), y - y.mean())
    theta = np.log([0.4, 0.2, 0.3, 0.05, 0.8])
    slow = approx_fprime(theta, lambda t: baselines._misfit(t, *parts)[0], 1e-6)
    np.testing.assert_allclose(baselines._misfit(theta, *parts)[1], slow, rtol=1e-3)


def test_fewer_years_of_a_site_set_the_numbers_but_all_are_learnt_from(world):
    x, y, site = world
    whole, some = (baselines.SiteProcess(site, most).fit(x, y) for most in (6, 2))
    np.testing.assert_array_equal(whole.theta, baselines.SiteProcess(site).fit(x, y).theta)
    assert some.variances["site"] == pytest.approx(whole.variances["site"], rel=0.5)
    assert np.corrcoef(whole.predict(x), some.predict(x))[0, 1] > 0.99
    with pytest.raises(ValueError, match="groups: expected one for each of 180 samples, found 10"):
        baselines.SiteProcess(site[:10]).fit(x, y)


def test_fits_side_by_side_come_in_order_and_alike_for_any_number_of_threads(world, monkeypatch):
    x, y, site = world
    models = [
        lambda rows, m=m: baselines.SiteProcess(site[rows], m).fit(x[rows], y[rows]).predict(x) for m in (0, 2, 3)
    ]
    jobs = [(model, np.arange(180) % 5 != k) for model in models for k in range(5)]
    several = list(tasks.each(lambda job: job[0](job[1]), jobs))
    for threads in (1, 4):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        np.testing.assert_array_equal(several, list(tasks.each(lambda job: job[0](job[1]), jobs)))
    np.testing.assert_allclose(several[3], models[0](jobs[3][1]), atol=1e-6)
