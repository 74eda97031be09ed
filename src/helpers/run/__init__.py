"""The runner: which chapters there are, which are stale, how they are executed, and how their pages become a book.

``python -m helpers.run --profile demo`` reads top to bottom as

=============  ======================================================================================
`chapters`     the notebooks in reading order, what ``chapters.yml`` declares of them, their parameters, and profiles
`reach`        the helper definitions and data files that a chapter's code reaches
`staleness`    what a chapter was last made from, against what it would be made from now
`cluster`      where the work is done: on this machine, by a dask scheduler, by jobs of a queue
`__main__`     the command: plans a run, executes what is stale by Papermill, aside, and puts it in place
`bundles`      what lets one chapter run by itself: notebook, helpers, data and inputs, as a zip
`pages`        the pages of one profile, with generated tables, and Jupyter Book over them
`measured`     a command of its own: what runs on real data gave, kept as aggregates
`planets`      another: made planets of many seeds, on which the intervals of chapter 11 are put to the test
=============  ======================================================================================
"""

import sys

# jsonschema, which nbformat imports, does without this one where it isn't there; it would take a second of each start
# to build a parser of addresses in any script, which no notebook asks for.
sys.modules.setdefault("rfc3987_syntax", None)
