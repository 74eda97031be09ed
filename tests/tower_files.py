"""Files of towers, small and in the layouts of the data sets, for several tests."""

import csv
import io
import zipfile

import pandas as pd

FLUXNET2015 = "FLX_{}_FLUXNET2015_{}_YY_{}-{}_{}.csv"
BIF = ["SITE_ID", "GROUP_ID", "VARIABLE_GROUP", "VARIABLE", "DATAVALUE"]


def yearly(reco=(500.0, -9999, 700.25), qc=(0.9, 0.0, -9999), years=(2001, 2002, 2003), **more):
    """Return a yearly table: RECO by night as given, by day ten more."""
    day = [value if isinstance(value, str) or value <= -999 else value + 10 for value in reco]
    columns = {"TIMESTAMP": years, "TA_F": 9.5, "NEE_VUT_REF_QC": qc, "RECO_NT_VUT_REF": reco, "RECO_DT_VUT_REF": day}
    return pd.DataFrame(columns | more)


def steady(first, last, reco=500.0, qc=0.9):
    """Return a yearly table without gaps."""
    years = list(range(first, last + 1))
    return yearly([reco] * len(years), [qc] * len(years), years)


def write(folder, site="AA-One", group="FULLSET", table=None, release="1-4", years=(2001, 2003)):
    """Write a yearly file of FLUXNET2015 and return its path."""
    path = folder / FLUXNET2015.format(site, group, *years, release)
    (yearly() if table is None else table).to_csv(path, index=False)
    return path


def sites(folder, *rows, **places):
    """Write ``sites.csv``: rows (site, latitude, longitude, igbp), or site to the rest."""
    rows = [*rows, *((site, *place) for site, place in places.items())]
    pd.DataFrame(rows, columns=["site", "latitude", "longitude", "igbp"]).to_csv(folder / "sites.csv", index=False)


def bif(site, lat=None, lon=None, igbp="DBF", group=1, columns=BIF):
    """Return a BIF table as text, with values that hold commas, quoted and not."""
    told = {"LOCATION_LAT": lat, "LOCATION_LONG": lon, "IGBP": igbp, "SITE_NAME": "Morgan, Monroe"}
    rows = [dict(zip(BIF, (site, group, "GRP", *item), strict=True)) for item in told.items() if item[1] is not None]
    text = io.StringIO()
    table = csv.DictWriter(text, columns)
    table.writeheader()
    table.writerows(rows)
    return text.getvalue() + f"{site},9,GRP_REFERENCE,REFERENCE_PAPER,Schmid, H. P., Grimmond, C. S. B.\n"


def zipped(path, **members):
    """Write a zip and return its path; a table becomes CSV."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content if isinstance(content, str) else content.to_csv(index=False))
    return path


def surroundings(stem, span):
    """Return what lies in a zip beside the yearly file: other steps, a reanalysis, auxiliary tables, a description."""
    others = {f"{stem.format(f'{step}_')}{span}.csv": "TIMESTAMP_START\n200101010000\n" for step in ("HH", "DD", "WW")}
    others[f"{stem.format('MM_')}{span}.csv"] = "TIMESTAMP\n200101\n"
    root = stem.split("_FLUXNET")[0]
    others |= {
        f"{root}_FLUXNET2015_ERAI_YY_1989-2014_1-4.csv": "TIMESTAMP\n1989\n",
        f"{root}_FLUXNET_AUXNEE.csv": "A\n1\n",
    }
    others |= {f"{root}_FLUXNET_ERA5_YY_1981-2020_3-5.csv": "TIMESTAMP\n1981\n", "README.txt": "read me\n"}
    return others | {f"{root}_FLUXNET_BIFVARINFO_YY_2001-2003_v1.3_r1.csv": "SITE_ID\nAA-One\n"}
