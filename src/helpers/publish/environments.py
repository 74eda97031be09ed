"""The environment for Binder, conda and Docker, from the pins: ``python -m helpers.publish.environments``.

Binder and conda read ``binder/environment.yml``; after it Binder runs ``binder/postBuild``, which is written by hand.
``Dockerfile`` is for a container of one's own. Each says at its head where it comes from.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from helpers import workspace

PYTHON = "3.12"
"""Between the oldest and the newest Python that the book is tested with."""

LAB = "jupyterlab"
"""What opens notebooks: Binder brings its own; the container takes the newest."""

CPU = "--extra-index-url https://download.pytorch.org/whl/cpu"
"""Where PyTorch has its builds without CUDA, which weigh a tenth."""

HEAD = "# made from requirements.txt by make environments: change that, not this\n"

CONDA = """name: reco-book
channels: [conda-forge, nodefaults]
dependencies:
  - python={python}
  - pip
  - pip:
      - {cpu}
{pins}
"""

DOCKER = """# docker build -t reco-book . && docker run -p 8888:8888 reco-book
FROM python:{python}-slim
RUN apt-get update && apt-get install -y --no-install-recommends git make && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir {cpu} {lab} \\
{pins}
COPY . /book
WORKDIR /book
RUN pip install --no-cache-dir --no-deps -e .
EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "--allow-root", "notebooks"]
"""


def pins(requirements: str) -> list[str]:
    r"""Return the packages of a list of requirements, each as pip takes it, without comments.

    >>> pins("# arrays\nnumpy==2.4.6  # for all\n\nmoto[server]==5.2.5\n")
    ['numpy==2.4.6', 'moto[server]==5.2.5']
    """
    return [pin for line in requirements.splitlines() if (pin := re.sub(r"(^|\s)#.*", "", line).strip())]


def files(root: Path) -> dict[Path, str]:
    """Return what each of the made files holds, by its place."""
    packages = pins((root / "requirements.txt").read_text(encoding="utf-8"))
    conda = CONDA.format(python=PYTHON, cpu=CPU, pins="\n".join(f"      - {pin}" for pin in packages))
    docker = DOCKER.format(python=PYTHON, cpu=CPU, lab=LAB, pins=" \\\n".join(f"    '{pin}'" for pin in packages))
    return {root / "binder" / "environment.yml": HEAD + conda, root / "Dockerfile": HEAD + docker}


@workspace.command("helpers.publish.environments")
def main() -> int:
    """Write them; return 0, or 2 where that can't be done."""
    for path, text in files(workspace.ROOT).items():
        with workspace.writing(path) as aside:
            aside.write_text(text, encoding="utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
