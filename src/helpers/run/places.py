"""Where the book's parts stand, and the one kind of error that is the user's to mend."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from helpers import workspace


class UserError(Exception):
    """Something that the reader can put right; shown as one line, without a traceback."""


class ChapterFailed(UserError):
    """A chapter raised an error while it ran."""


@dataclass(frozen=True)
class Book:
    """The folders of one book.

    Parameters
    ----------
    root : Path
        The repository: ``notebooks/``, ``book/``, ``data/``, ``src/helpers/`` stand here.
    outputs : Path
        One workspace a profile.
    build : Path
        One set of pages a profile.
    """

    root: Path
    outputs: Path
    build: Path

    @classmethod
    def here(cls) -> Book:
        """Return this repository's book; ``RECO_OUTPUTS`` and ``RECO_BUILD`` send what it makes elsewhere."""
        root = workspace.ROOT
        build = Path(os.environ.get("RECO_BUILD") or root / "_build")
        return cls(root, workspace.outputs_root().resolve(), build.resolve())

    @property
    def notebooks(self) -> Path:
        """Folder of the chapters' sources."""
        return self.root / "notebooks"

    @property
    def helpers(self) -> Path:
        """Folder of the helper package."""
        return self.root / "src" / "helpers"

    def state(self, profile: str) -> Path:
        """Folder where the runner notes what each chapter of a profile was made from."""
        return self.outputs / profile / ".state"

    def executed(self, profile: str, stem: str) -> Path:
        """Path of an executed chapter."""
        return self.outputs / profile / "chapters" / f"{stem}.ipynb"

    def log(self, profile: str, stem: str) -> Path:
        """Path of the log of a chapter that failed."""
        return self.outputs / profile / "logs" / f"{stem}.log"
