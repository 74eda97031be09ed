"""House style: type, colours and sizes that every figure of the book shares.

The colours for things with names are Okabe and Ito's, which readers with any common colour vision tell apart; the
colours for fields are Crameri's perceptually uniform maps (https://doi.org/10.5281/zenodo.1243862).
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import matplotlib.style
from cmcrameri import cm
from IPython import get_ipython
from matplotlib.figure import Figure
from matplotlib_inline.backend_inline import set_matplotlib_formats

from helpers.figures import shown
from helpers.provenance import REAL, Label, commit, of_image
from helpers.workspace import ROOT

SEQUENTIAL, DIVERGING = cm.batlow, cm.vik

RECO_UNIT = "kg C m$^{-2}$ yr$^{-1}$"

WIDTH = 8.0
"""Width of a full-page figure, inches: 880 pixels at the house's 110 dots an inch."""

COLOURS: dict[str, str] = {
    "observed": "#000000",
    "cnn": "#0072B2",
    "models": "#8C8C8C",
    "reco": "#D55E00",
    "npp": "#009E73",
    "gpp": "#56B4E9",
    "truth": "#CC79A7",
    "train": "#0072B2",
    "test": "#E69F00",
    "paper": "#8C8C8C",
    "run": "#0072B2",
    "NPP+RECO+": "#009E73",
    "NPP+RECO-": "#56B4E9",
    "NPP-RECO+": "#D55E00",
    "NPP-RECO-": "#E69F00",
    "sink": "#009E73",
    "source": "#D55E00",
    "land": "#E4E4E2",
    "blank": "#B3B3B1",
    "outline": "#4D4D4D",
    "level": "#BDBDBD",
    "rule": "#E0E0E0",
    "holds": "#E8F3EC",
}
"""One colour for each thing that figures show, the lines behind a chart (``level``, ``rule``) and the band in which a
claim holds (``holds``) among them. Land without a value is ``land``, and on a diverging map, whose own middle is nearly
white, the darker ``blank``: else it would look like land where nothing changes."""

SERIES: tuple[str, ...] = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#F0E442")
"""Colours for things without one of their own, in the order to use them."""

IGBP_COLOURS: dict[int, str] = {
    0: "#9ECAE1",
    1: "#00332B",
    2: "#17A05A",
    3: "#2C7FA8",
    4: "#B2DF6B",
    5: "#9AD9CF",
    6: "#4A2A06",
    7: "#E8CFA6",
    8: "#A6611A",
    9: "#F0A33F",
    10: "#FFF3A0",
    11: "#08306B",
    12: "#E78AC3",
    13: "#E31A1C",
    14: "#7B3294",
    15: "#F7F7F7",
    16: "#8F8F8F",
}
"""A colour for each land cover: forests from dark green to blue and pale green, shrubs and savannas brown to orange,
grass yellow, fields pink and purple; neighbours differ in lightness, too. Seventeen colours are more than any eye tells
apart for sure, so maps of points give each class its own marker as well."""

MARKERS: tuple = ("o", "^", "s", "D", "v", "P", "X", "<", ">", "p", "h", "*", "d", "H", "8", (4, 1, 0), (3, 1, 0))
"""Markers by land-cover code, in turn."""

BLUE, SKY, ORANGE, GREEN, PINK = (SERIES[k] for k in (0, 5, 3, 2, 4))
LOOKS: dict[str, tuple[str, str]] = {
    "CNN1": (SKY, "s"),
    "CNN-SPEIopt": (BLUE, "o"),
    "honest CNN": (BLUE, "D"),
    "one-pixel network": (SKY, "v"),
    "ridge": (ORANGE, "^"),
    "Gaussian process": (ORANGE, "p"),
    "nearest neighbours": (ORANGE, "<"),
    "random forest": (GREEN, "P"),
    "extra trees": (GREEN, "X"),
    "gradient boosting": (GREEN, ">"),
    "two together": (PINK, "*"),
    "all settings": (PINK, "h"),
    "mean": (COLOURS["models"], "H"),
    "site's own mean": (COLOURS["observed"], "d"),
}
"""Colour and marker of a model that learns from towers, the same in every figure: networks blue, smooth rules orange,
trees green, several of them together pink, what isn't learned grey or black."""

KINDS = {"CNN": COLOURS["cnn"], "process model": COLOURS["models"], "data-driven": COLOURS["npp"]}
"""Colour of a model by its kind."""


MADE = "made planet"
"""Name of the mark among a figure's texts."""


def mark_made(figure: Figure, text: str = "made planet") -> None:
    """Write *made planet* beside a figure, so that it cannot be taken for one of the Earth wherever it is shown.

    A figure that also shows what is real says in ``text`` what of it is made; one mark takes the place of another.
    """
    for old in [t for t in figure.texts if t.get_gid() == MADE]:
        old.remove()
    look = {"rotation": 270, "va": "center", "fontsize": 8, "color": COLOURS["models"], "gid": MADE}
    figure.text(1.005, 0.5, text, **look)


def label_files(figure: Figure) -> None:
    """Let files that ``savefig`` writes say what the figure is: in texts of PNG, metadata of SVG, info of PDF."""
    plain = figure.savefig

    def savefig(fname, **options) -> None:
        kind = (
            options.get("format")
            or Path(getattr(fname, "name", str(fname))).suffix[1:]
            or mpl.rcParams["savefig.format"]
        )
        session, marks = get_ipython(), [text.get_text() for text in figure.texts if text.get_gid() == MADE]
        profile = str(session.user_ns.get("profile", "")) if session else ""
        label = Label(profile, marks[0] if marks else REAL, "", "", None, None, *commit(ROOT))
        titles = filter(None, (ax.get_title(where) for ax in figure.axes for where in ("left", "center", "right")))
        texts = of_image(label, "; ".join(titles) or "figure")
        told = f"{texts['Source']}; {texts['Description']}"
        about = {
            "png": texts,
            "svg": {"Title": texts["Title"], "Source": texts["Source"], "Description": told, "Date": None},
            "pdf": {"Title": texts["Title"], "Subject": told, "CreationDate": None},
        }
        if kind.lower() in about:
            options["metadata"] = about[kind.lower()] | (options.get("metadata") or {})
        plain(fname, **options)

    figure.savefig = savefig


def use_house_style(*, made: bool = False) -> None:
    """Set Matplotlib's defaults for the book: sizes legible on an 800 pixel wide page, few lines, safe colours.

    In a notebook, images have two dots for each pixel of the page, so that they stay sharp when they are made larger,
    and what they show in numbers goes with them.

    Parameters
    ----------
    made : bool
        Whether figures are of a made planet; each then says so beside itself.
    """
    if session := get_ipython():
        set_matplotlib_formats("retina")
        shown.register(session.display_formatter)
    mpl.style.use("default")
    mpl.rcParams.update(
        {
            "figure.hooks": [f"{each.__module__}:{each.__name__}" for each in (label_files, *[mark_made] * made)],
            "figure.dpi": 110,
            "savefig.dpi": 110,
            "figure.figsize": (WIDTH, 4.5),
            "figure.constrained_layout.use": True,
            "font.family": "DejaVu Sans",
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.labelsize": 10,
            "figure.labelsize": 10,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "legend.fontsize": 9,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
            "axes.grid": False,
            "grid.color": COLOURS["rule"],
            "grid.linewidth": 0.6,
            "lines.linewidth": 1.6,
            "image.cmap": "cmc.batlow",
            "axes.prop_cycle": mpl.cycler(color=SERIES),
        }
    )
