"""Progress bars: one for all files, one for each file that is coming."""

from __future__ import annotations

from types import TracebackType

from tqdm import tqdm


class Bars:
    """The bars of one download.

    Parameters
    ----------
    title : str
        Product id.
    files : int
        How many are to come.
    wanted : bool
        Draw them; even so, nothing is drawn where nobody sits at a terminal.
    """

    def __init__(self, title: str, files: int, wanted: bool) -> None:
        self._hidden = None if wanted else True
        self._all = tqdm(total=files, desc=title, unit="file", disable=self._hidden, leave=False)

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._all.close()

    def file(self, name: str, whole: int | None, start: int) -> tqdm:
        """Return the bar of a file: bytes that are there, of all."""
        return tqdm(total=whole, initial=start, desc=name, unit="B", unit_scale=True, disable=self._hidden, leave=False)

    def done(self) -> None:
        """Count a file that has come."""
        self._all.update(1)
