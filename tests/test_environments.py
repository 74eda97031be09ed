"""The environments for Binder, conda and Docker are as the command makes them."""

import os
import re

import yaml

from helpers.publish import environments
from helpers.workspace import ROOT

WANTED = {
    re.sub(r"\s*#.*", "", line)
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    if re.match(r"\w", line)
}


def test_the_files_are_as_the_command_makes_them():
    for path, text in environments.files(ROOT).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run make environments"


def test_each_holds_every_pin():
    made = yaml.safe_load((ROOT / "binder" / "environment.yml").read_text(encoding="utf-8"))
    (pip,) = [entry["pip"] for entry in made["dependencies"] if isinstance(entry, dict)]
    assert {pin for pin in pip if not pin.startswith("--")} == WANTED
    docker = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert set(re.findall(r"'([^']+==[^']+)'", docker)) == WANTED


def test_binder_finds_its_own_files_and_may_run_them():
    """Where there is a folder binder, Binder reads no Dockerfile at the top."""
    assert os.access(ROOT / "binder" / "postBuild", os.X_OK)
    assert not (ROOT / "binder" / "Dockerfile").exists()
