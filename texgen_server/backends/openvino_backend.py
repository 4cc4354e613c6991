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
from texgen_server.fields import Fields
from texgen_server.registry import LoadedModel

GRAPH_VERSION = 3
"""Raise it when the conversion changes: old graphs are then left alone and new ones made."""

PARTS = ("mapping", "trunk", "painted_trunk", "head", "guided_head")
TRUNKS = ("trunk", "painted_trunk")


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
        self._compile = lambda part: core.compile_model(folder / f"{part}.xml", "CPU", quick if part in TRUNKS else exact)
        self._compiled = {part: self._compile(part) for part in PARTS if part != "painted_trunk"}  # that one when first asked for

    def style(self, code: Array, log2_density: Array) -> tuple[Array, Array]:
        style, relief = self._run("mapping", [code, log2_density])
        return style, relief

    def features(self, style: Array, fields: Fields) -> list[Array]:
        inputs = [style, fields.start, fields.guide, *fields.layouts, *fields.noises, *fields.shares]
        return self._run("painted_trunk" if fields.shares else "trunk", inputs)

    def head(self, features: list[Array], fields: Fields) -> Array:
        return self._run("guided_head", [features[0], fields.guide])[0] if fields.guided else self._run("head", features)[0]

    def close(self) -> None:
        """Drop the compiled graphs."""
        self._compiled.clear()

    def _run(self, part: str, inputs: list[Array]) -> list[Array]:
        if part not in self._compiled:
            self._compiled[part] = self._compile(part)
        compiled = self._compiled[part]
        result = compiled(inputs)
        return [np.array(result[output], np.float32) for output in compiled.outputs]


def _convert(model: LoadedModel, folder: Path) -> None:
    """Write the graphs into ``folder``, atomically: two servers may start at once."""
    import torch

    from texgen_server.networks.material import GUIDE_CHANNELS, OUTPUT_CHANNELS
    from texgen_server.networks.parts import GuidedHeadPart, HeadPart, MappingPart, PaintedTrunkPart, TrunkPart, build_generator

    generator = build_generator(model.card.network, model.weights)
    params, shape = generator.params, model.shape
    sizes = [2 * 2**i for i in range(shape.levels)]
    fields = [torch.zeros(1, 5, n, n) for n in sizes] + [torch.zeros(1, 1, n, n) for n in sizes]
    shares = [torch.full((1, 2, n, n), 0.5) for n in sizes]
    style, start = torch.zeros(1, shape.levels, params.style_dim), torch.zeros(1, shape.noise_channels, 2, 2)
    guide = torch.zeros(1, GUIDE_CHANNELS, sizes[-1], sizes[-1])
    features = torch.zeros(1, params.widths[-1], sizes[-1], sizes[-1])
    inputs = {
        "mapping": (torch.zeros(1, params.code_dim), torch.zeros(1, 1)),
        "trunk": (style, start, guide, *fields),
        "painted_trunk": (torch.zeros(1, 2, params.style_dim), start, guide, *fields, *shares),
        "head": (features, torch.zeros(1, OUTPUT_CHANNELS, sizes[-2], sizes[-2])),
        "guided_head": (features, guide),
    }
    parts = {
        "mapping": MappingPart(generator),
        "trunk": TrunkPart(generator),
        "painted_trunk": PaintedTrunkPart(generator),
        "head": HeadPart(generator),
        "guided_head": GuidedHeadPart(generator),
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix="converting-"))
    with torch.no_grad(), _quiet_conversion():
        for name, part in parts.items():
            graph = ov.convert_model(part, example_input=inputs[name])
            graph.reshape({port: _free(t, name, shape.levels) for port, t in zip(graph.inputs, inputs[name], strict=True)})
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


def _free(example: Any, part: str, levels: int) -> Any:
    """The shape of an input with batch, places and number of sources left open."""
    if example.dim() == 3:
        return ov.PartialShape([-1, -1 if part == "painted_trunk" else levels, example.shape[2]])
    per_source = part == "painted_trunk" and example.dim() == 4 and example.shape[1] == 2
    return ov.PartialShape([-1, -1 if per_source else example.shape[1], -1, -1][: example.dim()])


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
