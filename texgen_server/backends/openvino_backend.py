# SPDX-License-Identifier: Apache-2.0
"""Runs networks with OpenVINO on a CPU. Graphs are converted once (needs torch) and kept by model digest; later starts skip torch."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from texgen_server.backends.base import Array
from texgen_server.backends.threads import fastest_threads
from texgen_server.precision import EXACT, decide
from texgen_server.registry import LoadedModel

GRAPH_VERSION = 10
"""Raise it when the conversion changes: old graphs are then left alone and new ones made."""
OUT_OF_MEMORY = re.compile(r"bad_alloc|out of memory|(can ?not|failed to) allocate", re.IGNORECASE)
INDEX = "parts.json"
"""Written last: part -> whether it stays float32, and whether it is compiled when first asked for."""


class OpenVinoBackend:
    """A `Backend` on the CPU. ``threads`` 0: as many as are fastest here (`threads.fastest_threads`)."""

    def __init__(self, model: LoadedModel, precision: str, cache: Path, threads: int = 0) -> None:
        self.name = decide("openvino", precision).name
        folder = cache / f"{model.card.digest[:32]}-g{GRAPH_VERSION}-ov{ov.__version__.split('-')[0]}"
        if not (folder / INDEX).is_file():
            _convert(model, folder)
        self._index: dict[str, dict[str, bool]] = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        core = ov.Core()
        hints: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "CACHE_DIR": str(folder / "compiled")}
        if count := threads or fastest_threads(precision):
            hints["INFERENCE_NUM_THREADS"] = count
        exact = hints | {"INFERENCE_PRECISION_HINT": EXACT}
        quick = hints | {"INFERENCE_PRECISION_HINT": precision}
        self._compile = lambda part: core.compile_model(folder / f"{part}.xml", "CPU", exact if self._index[part]["exact"] else quick)
        self._compiled = {part: self._compile(part) for part, entry in self._index.items() if not entry["rare"]}
        self.threads = int(next(iter(self._compiled.values())).get_property("INFERENCE_NUM_THREADS"))
        self._lending: dict[str, Any] = {}
        """Requests whose outputs are lent; those of the others are copied."""

    def run(self, part: str, inputs: list[Array], *, fleeting: bool = False) -> list[Array]:
        if part not in self._compiled:
            self._compiled[part] = self._compile(part)
        compiled = self._compiled[part]
        try:
            if fleeting:
                if part not in self._lending:
                    self._lending[part] = compiled.create_infer_request()
                result = self._lending[part].infer(inputs, share_inputs=True, share_outputs=True)
            else:
                result = compiled(inputs)
        except RuntimeError as error:
            if OUT_OF_MEMORY.search(str(error)):
                raise MemoryError(str(error)) from error
            raise
        return [np.asarray(result[output], np.float32) for output in compiled.outputs]

    def close(self) -> None:
        """Drop the compiled graphs."""
        self._lending.clear()
        self._compiled.clear()


def _convert(model: LoadedModel, folder: Path) -> None:
    """Write the graphs into ``folder``, atomically: two servers may start at once."""
    import torch

    from texgen_server.networks.parts import build_parts

    parts = build_parts(model.card.kind, model.card.network, model.weights)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix="converting-"))
    with torch.no_grad(), _quiet_conversion():
        for name, part in parts.items():
            graph = ov.convert_model(part.module, example_input=part.example)
            shapes = [_open(t.shape, axes) for t, axes in zip(part.example, part.free, strict=True)]
            graph.reshape(dict(zip(graph.inputs, shapes, strict=True)))
            ov.save_model(graph, temporary / f"{name}.xml", compress_to_fp16=False)
    index = {name: {"exact": part.exact, "rare": part.rare} for name, part in parts.items()}
    (temporary / INDEX).write_text(json.dumps(index), encoding="utf-8")
    try:
        temporary.rename(folder)
    except OSError:  # another process was faster, or an interrupted one left a half-made folder
        if (folder / INDEX).is_file():
            shutil.rmtree(temporary)
        else:
            shutil.rmtree(folder, ignore_errors=True)
            temporary.rename(folder)


def _open(shape: Any, axes: tuple[int, ...]) -> Any:
    """A shape with some of its axes left open."""
    return ov.PartialShape([-1 if axis in axes else int(length) for axis, length in enumerate(shape)])


@contextmanager
def _quiet_conversion() -> Iterator[None]:
    """No usage statistics are sent (OpenVINO's converter sends none when it believes to run in CI), no warning about torch.jit."""
    before = os.environ.get("CI")
    os.environ["CI"] = "true"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if before is None:
            del os.environ["CI"]
        else:
            os.environ["CI"] = before
