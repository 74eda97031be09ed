"""Plumbing of the book: one room a concept, each short; the chapters in ``notebooks/`` hold the science.

Where fields are added or compared, xarray keeps the labels that both have, and drops the others without a word. With
this package imported it refuses to: labels must agree (see `helpers.space.grid.together`).

A terminal that can't show a sign, such as an arrow where the locale is ``tr_TR`` without UTF-8, gets its number.
"""

import sys

import xarray

if hasattr(sys.stdout, "reconfigure"):  # a notebook's shows every sign
    sys.stdout.reconfigure(errors="backslashreplace")

xarray.set_options(arithmetic_join="exact")
