r"""Random fields on the sphere: seeded, smooth over a stated distance, the same planet at every resolution.

A field is a sum of plane waves through the globe, evaluated on its surface: with wave vectors drawn from a normal
distribution of standard deviation 1/length, the covariance of two places at chord distance :math:`d` is
:math:`\exp(-d^2 / 2\ell^2)` (random Fourier features [1]_). There is no pole and no date line to be seen in it.

The same seed is the same planet to the last bit, on any number of threads. So waves are added one after the other, in
`_add_up`: a product of matrices (``@``) leaves the order to BLAS, which chooses it by threads and processor, and one
last digit decides on which side of a threshold a cell lies.

References
----------
.. [1] Rahimi and Recht (2007), Random features for large-scale kernel machines, NIPS 20.
"""

from __future__ import annotations

import zlib

import numpy as np

from helpers.space.grid import RADIUS


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the generator of one named thing: adding a field or a product leaves all others as they were.

    >>> stream(1, "a").integers(100) == stream(1, "a").integers(100)
    np.True_
    """
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _add_up(amplitude: np.ndarray, waves: np.ndarray) -> np.ndarray:
    """Return the product of (…, wave) and (wave, cell), summed in the order of the waves, by einsum's own loop."""
    return np.einsum("...w,wc->...c", amplitude, waves, optimize=False)


def _waves(lat: np.ndarray, lon: np.ndarray, length: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return (2 count, cell) cosines and sines of plane waves, scaled so that unit amplitudes give unit variance."""
    phi, lam = np.deg2rad(lat), np.deg2rad(lon)
    place = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])
    phase = _add_up(rng.standard_normal((count, 3)) * (RADIUS / 1000 / length), place)
    return np.concatenate([np.cos(phase), np.sin(phase)]) / np.sqrt(count)


def smooth(lat: np.ndarray, lon: np.ndarray, length: float, rng: np.random.Generator, count: int = 200) -> np.ndarray:
    """Return one field of mean 0 and variance 1.

    Parameters
    ----------
    lat, lon : ndarray (cell,)
        Degrees.
    length : float
        Distance of correlation (km).
    rng : numpy.random.Generator
        Draws the waves and their amplitudes.
    count : int
        Number of waves.

    Returns
    -------
    ndarray (cell,)
    """
    waves = _waves(lat, lon, length, count, rng)
    return _add_up(rng.standard_normal(2 * count), waves)


def series(
    lat: np.ndarray,
    lon: np.ndarray,
    length: float,
    steps: int,
    rng: np.random.Generator,
    memory: float = 0.0,
    count: int = 150,
) -> np.ndarray:
    """Return ``steps`` fields of variance 1, each correlated by ``memory`` with the one before (AR(1)).

    Returns
    -------
    ndarray (step, cell) float32
    """
    waves = _waves(lat, lon, length, count, rng).astype("float32")
    amplitude = rng.standard_normal((steps, 2 * count))
    for k in range(1, steps):
        amplitude[k] = memory * amplitude[k - 1] + np.sqrt(1 - memory**2) * amplitude[k]
    return _add_up(amplitude.astype("float32"), waves)
