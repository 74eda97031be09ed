"""Plumbing of the book: one room a concept, each short; the chapters in ``notebooks/`` hold the science.

Where fields are added or compared, xarray keeps the labels that both have, and drops the others without a word. With
this package imported it refuses to: labels must agree (see `helpers.space.grid.together`).
"""

import xarray

xarray.set_options(arithmetic_join="exact")
