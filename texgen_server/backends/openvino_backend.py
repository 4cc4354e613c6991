# SPDX-License-Identifier: Apache-2.0
"""Runs networks with OpenVINO on a CPU. Graphs are converted once (needs torch) and kept by model digest; later starts skip torch."""

from __future__ import annotations

import os
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
from texgen_server.registry import LoadedModel

GRAPH_VERSION = 1
"""Raise it when the conversion changes: old graphs are then left alone and new ones made."""

PARTS = ("mapping", "trunk", "head")


class OpenVinoBackend:
    """A `MaterialBackend` on the CPU. ``threads`` 0 lets OpenVINO choose."""

    def __init__(self, model: LoadedModel, precision: str, cache: Path, threads: int = 0) -> None:
        self.name = f"openvino-cpu/{precision}"
        folder = cache / f"{model.card.digest[:32]}-g{GRAPH_VERSION}-ov{ov.__version__.split('-')[0]}"
        if not (folder / "complete").is_file():
            _convert(model, folder)
        core = ov.Core()
        hints: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "CACHE_DIR": str(folder / "compiled")}
        if threads:
            hints["INFERENCE_NUM_THREADS"] = threads
        exact = hints | {"INFERENCE_PRECISION_HINT": "f32"}
        quick = hints | {"INFERENCE_PRECISION_HINT": precision}
        self._compiled = {part: core.compile_model(folder / f"{part}.xml", "CPU", quick if part == "trunk" else exact) for part in PARTS}

    def style(self, code: Array, log2_density: Array) -> tuple[Array, Array]:
        style, relief = self._run("mapping", [code, log2_density])
        return style, relief

    def features(self, style: Array, start: Array, layouts: list[Array], noises: list[Array]) -> list[Array]:
        return self._run("trunk", [style, start, *layouts, *noises])

    def head(self, features: list[Array]) -> Array:
        return self._run("head", features)[0]

    def close(self) -> None:
        """Drop the compiled graphs."""
        self._compiled.clear()

    def _run(self, part: str, inputs: list[Array]) -> list[Array]:
        compiled = self._compiled[part]
        result = compiled(inputs)
        return [np.array(result[output], np.float32) for output in compiled.outputs]


def _convert(model: LoadedModel, folder: Path) -> None:
    """Write the three graphs into ``folder``, atomically: two servers may start at once."""
    import torch

    from texgen_server.networks.parts import HeadPart, MappingPart, TrunkPart, build_generator

    generator = build_generator(model.card.network, model.weights)
    params, shape = generator.params, model.shape
    sizes = [2 * 2**i for i in range(shape.levels)]
    fields = [torch.zeros(1, 5, n, n) for n in sizes] + [torch.zeros(1, 1, n, n) for n in sizes]
    style, start = torch.zeros(1, params.style_dim), torch.zeros(1, shape.noise_channels, 2, 2)
    inputs = {
        "mapping": (torch.zeros(1, params.code_dim), torch.zeros(1, 1)),
        "trunk": (style, start, *fields),
        "head": (torch.zeros(1, params.widths[-1], 32, 32), torch.zeros(1, 7, 16, 16)),
    }
    parts = {"mapping": MappingPart(generator), "trunk": TrunkPart(generator), "head": HeadPart(generator)}
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix="converting-"))
    with torch.no_grad(), _quiet_conversion():
        for name, part in parts.items():
            graph = ov.convert_model(part, example_input=inputs[name])
            free = {port: ov.PartialShape([-1, t.shape[1], -1, -1][: t.dim()]) for port, t in zip(graph.inputs, inputs[name], strict=True)}
            graph.reshape(free)
            ov.save_model(graph, temporary / f"{name}.xml", compress_to_fp16=False)
    (temporary / "complete").touch()
    try:
        temporary.rename(folder)
    except OSError:  # another process was faster, or an interrupted one left a half-made folder
        if (folder / "complete").is_file():
            shutil.rmtree(temporary)
        else:
            shutil.rmtree(folder, ignore_errors=True)
            temporary.rename(folder)


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
