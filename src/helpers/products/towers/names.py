"""What the name of a tower's file tells: whose it is, which release, which years, and whether it is the yearly file.

Four ways of naming are read. The second and the third are stated by the README files that come with these products,
members of the zips included; the first is that of the files themselves (what else lies in a FLUXNET2015 zip is from
memory); of the fourth no description was at hand: it follows names that published code reads.

    FLX_AT-Neu_FLUXNET2015_FULLSET_[YY_]2002-2012_1-4          FLUXNET2015; release beta-3 in later European collections
    AMF_US-Ha1_FLUXNET_FULLSET_[YY_]1992-2020_3-5              AmeriFlux FLUXNET
    AMF_US-MMS_FLUXNET_[FLUXMET_YY_]1999-2023_v1.3_r1          the FLUXNET product of today, from any hub
    ICOSETC_BE-Bra_ARCHIVE_L2, ICOSETC_BE-Bra_FLUXNET_YY_L2    ICOS: no years in the name; INTERIM_L2 before a release

Beside the yearly member lie half-hours, days, weeks and months, reanalyses (ERAI, ERA5), auxiliary tables (AUXNEE),
and metadata (BIF, BIFVARINFO, VARINFO, SITEINFO), none of which is ever opened for fluxes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from helpers.products.errors import ProductError
from helpers.products.registry import Product, products

YEARLY = re.compile(
    r"_(?:FLUXNET(?:2015)?_(?:FULLSET|SUBSET|FLUXMET)_YY_\d{4}-\d{4}_.+|FLUXNET_YY_(?:INTERIM_)?L2)\.csv$", re.I
)
METADATA = re.compile(r"_(?:BIF|SITEINFO)(?:_.*)?\.csv$", re.I)

FETCH = "fetch the site's FLUXNET product (FULLSET or SUBSET), which has it"
OTHERS = (
    (r"_BASE(?:-BADM)?_", "AmeriFlux BASE, half-hours as measured without partitioned RECO", FETCH),
    (r"_(?:FLUXES|METEO|METEOSENS)_(?:INTERIM_)?L2", "half-hours of ICOS without partitioned RECO", FETCH),
    (r"_(?:BIF|BIFVARINFO|SITEINFO|ANCILLARY)_|_VARINFO_", "metadata", "give the yearly file, with this one beside it"),
    (r"_(?:ERAI|ERA5)_", "a reanalysis", "give the yearly file of the same download"),
    (r"_AUX\w*?_", "auxiliary data", "give the yearly file of the same download"),
    (r"_HH_", "the half-hourly one (HH)", "give the one named _YY_ of the same download"),
    (r"_HR_", "the hourly one (HR)", "give the one named _YY_ of the same download"),
    (r"_DD_", "the daily one (DD)", "give the one named _YY_ of the same download"),
    (r"_WW_", "the weekly one (WW)", "give the one named _YY_ of the same download"),
    (r"_MM_", "the monthly one (MM)", "give the one named _YY_ of the same download"),
)
"""Files that are taken for yearly ones by mistake: how they are named, what they are, what to do."""


@dataclass(frozen=True)
class Name:
    """What a file's name tells; ``years`` is None where it tells none."""

    site: str
    release: str
    group: str
    years: tuple[int, int] | None

    @property
    def newness(self) -> tuple:
        """Order of releases that end in the same year, and of their groups: the greater, the newer or fuller.

        Today's product comes after FLUXNET2015 and its kin, a release after a trial (beta, interim); then the numbers
        of the release count, then the group.
        """
        today = self.release.startswith("v")
        final = not re.search("beta|interim", self.release, re.I)
        numbers = tuple(int(number) for number in re.findall(r"\d+", self.release))
        return today, final, numbers, self.group != "SUBSET"


def of_file(path: Path, years: set[int] | None) -> list[tuple[str, int]]:
    """Return the site-years that a file stands for by its name, of those that are asked for.

    >>> of_file(Path("FLX_AT-Neu_FLUXNET2015_FULLSET_2002-2004_1-4.zip"), {2003, 2004, 2005})
    [('AT-Neu', 2003), ('AT-Neu', 2004)]
    >>> of_file(Path("ICOSETC_BE-Bra_ARCHIVE_L2.zip"), None)
    [('BE-Bra', 0)]
    """
    site = re.search(r"_([A-Z]{2}-\w{3})_", path.name, re.IGNORECASE)
    span = re.search(r"_(\d{4})-(\d{4})_", path.name)
    told = range(int(span[1]), int(span[2]) + 1) if span else [0]
    return [(site[1] if site else path.name, year) for year in told if years is None or not span or year in years]


def told(path: Path, product: Product) -> Name:
    """Return what the name of a product's file tells.

    Raises
    ------
    ProductError
        The file is of another kind or product; the message says which, and what to do.
    """
    found = product.file.search(path.name)
    if not found:
        raise ProductError(_why_not(path, product))
    years = re.search(r"_(\d{4})-(\d{4})_", path.name)
    group = re.search(r"_(FULLSET|SUBSET|FLUXMET)_", path.name, re.I)
    return Name(
        site=found["site"],
        release=found["release"],
        group=group[1].upper() if group else "",
        years=(int(years[1]), int(years[2])) if years else None,
    )


def yearly_member(members: list[str], path: Path, site: str) -> str:
    """Return which member of a zip is the yearly file.

    Parameters
    ----------
    members : list of str
        Names in the zip, in folders or not.
    path : Path
        The zip.
    site : str
        Whose file it must be.

    Raises
    ------
    ProductError
        There is none, or several, or another site's.
    """
    plain = {member: PurePosixPath(member).name for member in members}
    # Archives made on a Mac repeat every file under a name that begins so, with other content.
    found = [member for member, name in plain.items() if YEARLY.search(name) and not name.startswith("._")]
    if len(found) != 1:
        listed = ", ".join(list(plain.values())[:4]) or "nothing"
        expected = f"{path}: expected one yearly file (…_YY_….csv), found {len(found)}; it holds {listed}"
        nested = any(name.lower().endswith(".zip") for name in plain.values())
        raise ProductError(f"{expected}: {'unpack this zip, which holds zips' if nested else _remedy(plain.values())}")
    if f"_{site}_" not in plain[found[0]]:
        raise ProductError(f"{path}: expected the yearly file of {site}, found {plain[found[0]]}; rename the zip")
    return found[0]


def _remedy(names) -> str:
    what = next((entry for name in names for entry in OTHERS[:2] if re.search(entry[0], name)), None)
    return f"this is {what[1]}: {what[2]}" if what else "fetch it again, or give the yearly file by itself"


def _why_not(path: Path, product: Product) -> str:
    for pattern, what, remedy in OTHERS:
        if re.search(pattern, path.name, re.I):
            return f"{path}: expected a yearly file of {product.id}, found {what}; {remedy}"
    others = [p.id for p in products().values() if p.family == product.family and p.file.search(path.name)]
    hint = f"this one is of product {others[0]}" if others else "check the product id, or give the file its own name"
    return f"{path}: expected a {product.id} file named like {product.example}; {hint}"
