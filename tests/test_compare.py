"""Two runs side by side: what differs is shown, and nothing else is."""

import base64
import json
import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from nbformat import v4, write

from helpers import provenance
from helpers.publish import compare

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
OTHER = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="


def run(folder, *, iterations=100, honest=0.4, high=0.6, verdict="holds", trend=0.0, image=PIXEL, label="one"):
    """Write a small run: a record, an executed chapter, and artefacts of each kind."""
    (folder / ".state").mkdir(parents=True)
    (folder / "chapters").mkdir()
    made_from = {"parameters": {"profile": label, "seed": 1, "iterations": iterations}}
    about = provenance.Label(label, "planet <X>", commit=f"commit-of-{label}").noted()
    (folder / ".state" / "03_cnn_ablation.json").write_text(
        json.dumps({"made_from": made_from, "made": {}, "label": about})
    )
    about = {"mystnb": {"figure": {"name": "fig-x", "caption": "A <b>figure</b>"}, "image": {"alt": "An image"}}}
    labelled = provenance.in_png(base64.b64decode(image), {"commit": label})
    shown = v4.new_output("display_data", {"image/png": base64.b64encode(labelled).decode()})
    write(
        v4.new_notebook(cells=[v4.new_code_cell("", metadata=about, outputs=[shown])]),
        folder / "chapters" / "03_x.ipynb",
    )
    field = np.linspace(0, 1, 12).reshape(3, 2, 2)
    field[0, 0, 0] = np.nan
    field[2] += trend
    ds = xr.Dataset({"reco": (("year", "lat", "lon"), field)}, attrs={"title": label})
    ds.to_zarr(folder / "reco.zarr", zarr_format=2, consolidated=True)
    ds.to_netcdf(folder / "trends.nc")
    row = {"theme": "the score", "quantity": "R²", "where": "sites", "paper": 0.98, "seed protocol": 0.97}
    rows = [row | {"honest": honest, "low": 0.2, "high": high}, row | {"where": "kNNDM", "honest": 0.1}]
    pd.DataFrame(rows).to_csv(folder / "numbers.csv", index=False)
    pd.DataFrame({"claim": ["a", "b"], "verdict": [verdict, "open"]}).to_csv(folder / "answers.csv", index=False)
    (folder / "models").mkdir()
    (folder / "models" / "CNN1.safetensors").write_bytes(label.encode() if trend else b"same")
    return folder


def page_of(a, b, tmp_path, capsys):
    """Return the text of the page on two folders."""
    assert compare.main([f"{a}/", f"{b}/", "--to", str(tmp_path / "page")]) == 0
    assert str(tmp_path / "page") in capsys.readouterr().out
    return (tmp_path / "page" / "index.html").read_text(encoding="utf-8")


def test_runs_kept_under_one_name_have_pages_of_their_own(tmp_path, monkeypatch, capsys):
    kept = [run(tmp_path / where / "demo") for where in ("outputs", "one", "other")]
    monkeypatch.setenv("RECO_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("RECO_BUILD", str(tmp_path / "build"))
    for other in kept[1:]:
        assert compare.main(["demo", str(other)]) == 0
    assert len(list((tmp_path / "build" / "compare").glob("demo--demo-*/index.html"))) == 2


def test_a_run_and_itself_under_another_label_do_not_differ(tmp_path, capsys):
    a, b = run(tmp_path / "a"), run(tmp_path / "b", label="two")
    html = page_of(a, b, tmp_path, capsys)
    assert "Nothing differs" in html
    assert "commit-of-one" in html and "commit-of-two" in html and "planet &lt;X&gt;" in html
    assert not list((tmp_path / "page").glob("*.png"))


def test_what_differs_is_shown_with_both_values(tmp_path, capsys):
    a = run(tmp_path / "a")
    b = run(tmp_path / "b", iterations=7, honest=0.9, high=0.95, verdict="open", trend=0.5, image=OTHER, label="two")
    html = page_of(a, b, tmp_path, capsys)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))
    assert "Nothing differs" not in html
    assert "iterations 100 7" in text and "seed" not in text.split("Verdicts")[0]
    assert "1 of 2" in text and "0.400 (0.200 to 0.600)" in text and "0.900 (0.200 to 0.950)" in text
    assert re.search(r"answers a holds open", text)
    assert "A &lt;b&gt;figure&lt;/b&gt;" in html  # names and captions are text, whatever they hold
    assert {p.name for p in (tmp_path / "page").glob("*.png")} == {"fig-x-A.png", "fig-x-B.png"}
    ours, theirs = (compare.Run(f.name, f) for f in (a, b))
    parts = compare.artefacts(ours, theirs)
    assert set(parts.index) >= {("reco", "reco"), ("trends", "reco"), ("models", "CNN1.safetensors")}
    found = parts.loc[("reco", "reco")]
    np.testing.assert_allclose(found[["differ (%)", "largest"]].astype(float), [100 * 4 / 12, 0.5])
    np.testing.assert_allclose(found["of"], np.nanstd(xr.open_zarr(a / "reco.zarr").reco))


def test_intervals_with_nothing_in_common_are_told_and_a_missing_table_is_no_error(tmp_path):
    a, b = run(tmp_path / "a", honest=0.3, high=0.35), run(tmp_path / "b")
    table = pd.read_csv(b / "numbers.csv").assign(low=0.4, high=0.6)
    table.to_csv(b / "numbers.csv", index=False)
    ours, theirs = (compare.Run(f.name, f) for f in (a, b))
    assert compare.numbers(ours, theirs).apart.tolist() == [True, False]
    (a / "numbers.csv").unlink()
    (b / "answers.csv").unlink()
    assert not compare.numbers(ours, theirs).same.any()
    assert compare.verdicts(ours, theirs).B.isna().all()


def test_a_name_that_is_no_run_is_refused_with_those_that_are(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("RECO_OUTPUTS", str(tmp_path))
    run(tmp_path / "demo")
    assert compare.main(["demo", "nolag"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "nolag" in said and "demo" in said


@pytest.mark.parametrize("address", ["s3://", "s3://bucket"])
def test_an_address_that_names_no_run_is_refused_in_one_line(capsys, address):
    assert compare.main([address, "tiny"]) == 2
    said = f"helpers.publish.compare: {address}: expected the address of a run, such as s3://bucket/demo; correct it\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("content", ["{", '{"made": 1}'])
def test_a_record_that_cannot_be_read_is_named(tmp_path, capsys, content):
    a, b = run(tmp_path / "a"), run(tmp_path / "b")
    (b / ".state" / "03_cnn_ablation.json").write_text(content)
    assert compare.main([str(a), str(b), "--to", str(tmp_path / "page")]) == 2
    assert "03_cnn_ablation.json" in capsys.readouterr().err and not (tmp_path / "page").exists()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("numbers.csv", b""),
        ("numbers.csv", b"a,b\n1,2\n"),
        ("numbers.csv", b"theme,quantity,where,paper,seed protocol,honest,low,high\na,b,c,1,1,1,moon,2\n"),
        ("answers.csv", b"claim\na\n"),
        ("answers.csv", b"claim,verdict\n\xe9,open\n"),
        ("trends.nc", b"hello"),
        (".state/03_cnn_ablation.json", b'{"made_from": {"parameters": [1]}}'),
        (".state/03_cnn_ablation.json", b'{"made_from": {}, "label": {"moon": 1}}'),
        ("chapters/03_x.ipynb", b"[]"),
    ],
)
def test_what_a_run_of_elsewhere_holds_is_read_or_refused_in_one_line(tmp_path, capsys, file, content):
    a, b = run(tmp_path / "a"), run(tmp_path / "b", label="two")
    (b / file).write_bytes(content)
    assert compare.main([f"{a}/", f"{b}/", "--to", str(tmp_path / "page")]) == 2
    said = capsys.readouterr().err
    assert str(b / file) in said and said.count("\n") == 1


def test_the_name_of_a_figure_is_no_path(tmp_path, capsys):
    a, b = run(tmp_path / "a"), run(tmp_path / "b", image=OTHER)
    for folder in (a, b):
        page = folder / "chapters" / "03_x.ipynb"
        page.write_text(page.read_text(encoding="utf-8").replace("fig-x", "../<x>"), encoding="utf-8")
    page_of(a, b, tmp_path, capsys)
    assert {p.name for p in (tmp_path / "page").iterdir()} == {"index.html", "_x_-0-A.png", "_x_-0-B.png"}
    assert not list(tmp_path.glob("*.png"))
