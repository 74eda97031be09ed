"""Plumbing of the book: one room a concept, each short; the chapters in ``notebooks/`` hold the science."""
