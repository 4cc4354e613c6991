# SPDX-License-Identifier: Apache-2.0
"""Samples -> files: tar shards as WebDataset reads them, or a folder a class.

What is there is whole, so a run goes on where one ended.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from texgen._version import __version__
from texgen.dataset.plan import Plan, Sample, draw_sample
from texgen.errors import InvalidRequestError, OutputError
from texgen.files.material import json_bytes

ABOUT = "dataset.json"
Files = Mapping[str, bytes]
"""Extension (``basecolor.png``, ``json``) -> content."""


class Keeper:
    """A data set's folder. Raises OutputError where it cannot be written, or holds
    something else.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        try:
            folder.mkdir(parents=True, exist_ok=True)
            there = [p.name for p in folder.iterdir()]
        except OSError as error:
            raise OutputError(
                f"cannot write to {folder}: {error.strerror}; choose another folder with --out"
            ) from error
        if ABOUT in there:
            self._check_plan()
        elif there:
            raise OutputError(f"{folder} holds {there[0]} and no {ABOUT}: choose an empty folder")
        for partial in folder.rglob(".*.partial"):
            partial.unlink(missing_ok=True)
        self._write(folder / ABOUT, json_bytes(self._about()))

    def missing(self) -> Iterator[list[Sample]]:
        """What is to be made, a shard's worth at a time.

        A shard is there whole or not; in folders each sample is for itself.
        """
        step = self.plan.shard
        for first in range(0, self.plan.count, step):
            samples = [
                draw_sample(self.plan, n) for n in range(first, min(first + step, self.plan.count))
            ]
            if missing := [sample for sample in samples if not self._place(sample).is_file()]:
                yield missing

    def keep(self, samples: list[Sample], made: Iterator[Files]) -> None:
        """Write them as they come; what is there is whole."""
        if self.plan.form == "webdataset":
            self._keep_shard(samples, made)
            return
        for sample, files in zip(samples, made, strict=True):
            folder = self.folder / sample.class_name
            folder.mkdir(exist_ok=True)
            for extension in sorted(
                files, key=lambda name: name == "json"
            ):  # the label last: it says that the sample is whole
                self._write(folder / f"{sample.key}.{extension}", files[extension])

    def _place(self, sample: Sample) -> Path:
        """The file that says that a sample is there: its shard, or its label."""
        if self.plan.form == "webdataset":
            return self.folder / f"texgen-{sample.number // self.plan.shard:06d}.tar"
        return self.folder / sample.class_name / f"{sample.key}.json"

    def _keep_shard(self, samples: list[Sample], made: Iterator[Files]) -> None:
        path = self._place(samples[0])
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            with tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as tar:
                for sample, files in zip(samples, made, strict=True):
                    for extension, data in sorted(files.items()):
                        member = tarfile.TarInfo(
                            f"{sample.key}.{extension}"
                        )  # of 1970, of nobody: the same samples, the same bytes
                        member.size, member.mode = len(data), 0o644
                        tar.addfile(member, io.BytesIO(data))
            partial.replace(path)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}") from error
        finally:
            partial.unlink(missing_ok=True)

    def _write(self, path: Path, data: bytes) -> None:
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            partial.write_bytes(data)
            partial.replace(path)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}") from error
        finally:
            partial.unlink(missing_ok=True)

    def _about(self) -> dict[str, Any]:
        return {
            "generator": f"texgen {__version__}",
            "synthetic": "made by a model; every label says by which recipe",
            "plan": asdict(self.plan),
            "digest": self.plan.digest(),
        }

    def _check_plan(self) -> None:
        path = self.folder / ABOUT
        try:
            there = json.loads(path.read_text(encoding="utf-8"))["digest"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidRequestError(
                f"{path} is no description of a texgen data set", "out"
            ) from error
        if there != self.plan.digest():
            raise InvalidRequestError(
                f"{self.folder} holds a data set of another plan (other arguments, or another "
                f"model): choose another folder",
                "out",
            )
