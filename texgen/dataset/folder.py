# SPDX-License-Identifier: Apache-2.0
"""Writes the samples of a data set: tar shards as WebDataset reads them, or one folder per class.

Shards and labels exist only complete, so a run continues where an earlier one ended.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from texgen._version import __version__
from texgen.dataset.plan import DatasetPlan, Sample, choose_sample
from texgen.errors import InvalidRequestError, OutputError
from texgen.files.document import JsonObject, json_bytes

DESCRIPTION = "dataset.json"
SampleFiles = Mapping[str, bytes]
"""Contents of a sample's files by extension (``basecolor.png``, ``json``)."""


class DatasetFolder:
    """The folder of a data set."""

    def __init__(self, folder: Path, plan: DatasetPlan) -> None:
        """Create the folder, or continue it.

        Raises OutputError where it cannot be written or holds something else, InvalidRequestError
        where it holds the data set of another plan.
        """
        self.folder, self.plan = folder, plan
        try:
            folder.mkdir(parents=True, exist_ok=True)
            names = [p.name for p in folder.iterdir()]
        except OSError as error:
            raise OutputError(
                f"cannot write to {folder}: {error.strerror}; choose another folder with --out"
            ) from error
        if DESCRIPTION in names:
            self._check_plan()
        elif names:
            raise OutputError(
                f"{folder} holds {names[0]} and no {DESCRIPTION}: choose an empty folder"
            )
        for partial in folder.rglob(".*.partial"):
            partial.unlink(missing_ok=True)
        self._write_file(folder / DESCRIPTION, json_bytes(self._description()))

    def missing(self) -> Iterator[list[Sample]]:
        """Yield the samples that are missing, those of one shard at a time.

        A shard exists completely or not at all; in class folders each sample counts by itself.
        """
        step = self.plan.shard
        for first in range(0, self.plan.count, step):
            samples = [
                choose_sample(self.plan, n)
                for n in range(first, min(first + step, self.plan.count))
            ]
            if missing := [sample for sample in samples if not self._marker_file(sample).is_file()]:
                yield missing

    def write(self, samples: list[Sample], generated: Iterator[SampleFiles]) -> None:
        """Write the samples as they are generated. Raises OutputError."""
        if self.plan.form == "webdataset":
            self._write_shard(samples, generated)
            return
        for sample, files in zip(samples, generated, strict=True):
            folder = self.folder / sample.class_name
            folder.mkdir(exist_ok=True)
            # the label last: it marks the sample as complete
            for extension in sorted(files, key=lambda name: name == "json"):
                self._write_file(folder / f"{sample.key}.{extension}", files[extension])

    def _marker_file(self, sample: Sample) -> Path:
        """Return the file whose existence marks a sample as complete: its shard, or its label."""
        if self.plan.form == "webdataset":
            return self.folder / f"texgen-{sample.number // self.plan.shard:06d}.tar"
        return self.folder / sample.class_name / f"{sample.key}.json"

    def _write_shard(self, samples: list[Sample], generated: Iterator[SampleFiles]) -> None:
        import tarfile  # here, as it would cost every command 5 ms at its start

        path = self._marker_file(samples[0])
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            with tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as tar:
                for sample, files in zip(samples, generated, strict=True):
                    for extension, data in sorted(files.items()):
                        # without date and owner: the same samples give the same bytes
                        member = tarfile.TarInfo(f"{sample.key}.{extension}")
                        member.size, member.mode = len(data), 0o644
                        tar.addfile(member, io.BytesIO(data))
            partial.replace(path)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}") from error
        finally:
            partial.unlink(missing_ok=True)

    def _write_file(self, path: Path, data: bytes) -> None:
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            partial.write_bytes(data)
            partial.replace(path)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}") from error
        finally:
            partial.unlink(missing_ok=True)

    def _description(self) -> JsonObject:
        return {
            "generator": f"texgen {__version__}",
            "synthetic": "made by a model; every label says by which recipe",
            "plan": asdict(self.plan),
            "digest": self.plan.digest(),
        }

    def _check_plan(self) -> None:
        path = self.folder / DESCRIPTION
        try:
            digest = json.loads(path.read_text(encoding="utf-8"))["digest"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidRequestError(
                f"{path} is no description of a texgen data set", "out"
            ) from error
        if digest != self.plan.digest():
            raise InvalidRequestError(
                f"{self.folder} holds a data set of another plan (other arguments, or another "
                f"model): choose another folder",
                "out",
            )
