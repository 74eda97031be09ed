"""The runner: which chapters there are, which are stale, how they are executed, and how their pages become a book.

``python -m helpers.run --profile demo`` reads top to bottom as

=============  ======================================================================================
`places`       where the book's parts stand; errors that the user can mend
`chapters`     the notebooks in reading order; what each one reads and writes, found in its code
`parameters`   the parameters of a chapter as Papermill sees them, and the values they may take
`profiles`     a profile's YAML and ``--set``, checked against the chapters' own parameters
`sources`      the helpers and data files that a chapter's code reaches
`digests`      what a file or a folder holds, as a hash
`staleness`    what a chapter was last made from, against what it would be made from now
`lock`         one run of a profile at a time
`execute`      one chapter, by Papermill, aside, then put in place
`tables`       the generated tables: parameters, products, downloads
`absent`       mentions of chapters that a profile leaves out, as plain words
`stage`        the pages of one profile: prose, executed chapters, table of contents
`html`         Jupyter Book over the staged pages, with warnings as errors
=============  ======================================================================================
"""
