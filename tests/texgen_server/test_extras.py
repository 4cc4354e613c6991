# SPDX-License-Identifier: Apache-2.0
"""Packages that each extra installs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


TORCH_EXTRAS = {"gpu", "train", "capture", "prompt", "bench", "test"}


def extras():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]


def brings(extra):
    """All that an extra installs, by name."""
    names = set()
    for requirement in extras()[extra]:
        name = re.match(r"[\w.-]+", requirement).group()
        if name == "texgen":
            for other in re.search(r"\[(.*)\]", requirement).group(1).split(","):
                names |= brings(other)
        names.add(name)
    return names


def test_torch_comes_with_the_extras_that_need_it_alone():
    assert {extra for extra in extras() if "torch" in brings(extra)} == TORCH_EXTRAS


def test_whatever_installs_torch_says_which():
    """Plain ``torch`` may be a CUDA build of several GB: each line that installs an extra with
    torch names a build beside it.
    """
    pages = [
        "Makefile",
        "README.md",
        "deploy/Dockerfile",
        ".ci/run",
        ".ci/pythons",
        ".ci/anywhere",
        *map(str, sorted(ROOT.glob("docs/*.md"))),
    ]
    lines = [
        line
        for page in pages
        for line in (ROOT / page).read_text(encoding="utf-8").splitlines()
        if "pip install" in line
    ]
    taking = [
        line
        for line in lines
        if TORCH_EXTRAS & set(re.findall(r"\w+", " ".join(re.findall(r"\[([\w,]+)\]", line))))
    ]
    assert len(taking) >= 4
    assert [line for line in taking if "torch==" not in line and "$(TORCH)" not in line] == []
