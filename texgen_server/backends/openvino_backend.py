# SPDX-License-Identifier: Apache-2.0
"""Runs networks with OpenVINO on a CPU.

`graphs` builds the graphs from the weights in a tenth of a second. With a cache folder they are
saved there, because OpenVINO caches its compiled form only for graphs that are files: a later start
takes a second less.
"""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from texgen_server.backend import Array
from texgen_server.backends.threads import fastest_threads
from texgen_server.graphs import build_graphs
from texgen_server.networks.params import PARTS
from texgen_server.precision import EXACT, decide
from texgen_server.process.quiet_openvino import ov
from texgen_server.registry import LoadedModel

log = logging.getLogger("texgen.server")

GRAPH_VERSION = 12
"""Raise it when `graphs` changes: saved graphs of other versions are then ignored."""
OUT_OF_MEMORY = re.compile(r"bad_alloc|out of memory|(can ?not|failed to) allocate", re.IGNORECASE)


class OpenVinoBackend:
    """A `Backend` on the CPU.

    ``threads`` 0: the number that is fastest here (`threads.fastest_threads`). ``cache`` None: no
    graph is saved.
    """

    def __init__(
        self, model: LoadedModel, precision: str, cache: Path | None, threads: int = 0
    ) -> None:
        self.name = decide("openvino", precision).name
        self._model, self._kinds = model, PARTS[model.card.kind]
        self._folder = _saved_graphs(model, cache) if cache else None
        self._built: Mapping[str, ov.Model] = {}
        self._hints: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision,
        }
        if count := threads or fastest_threads(precision):
            self._hints["INFERENCE_NUM_THREADS"] = count
        self._compiled = {
            part: self._compile(part) for part, kind in self._kinds.items() if not kind.rare
        }
        self.threads = int(
            next(iter(self._compiled.values())).get_property("INFERENCE_NUM_THREADS")
        )
        self._reused: dict[str, Any] = {}
        """Part -> request whose output memory is reused; outputs of other requests are copied."""

    def _compile(self, part: str) -> Any:
        """Compile a part from its saved graph; from the weights where none is saved, or it is
        damaged.
        """
        hints = self._hints | (
            {"INFERENCE_PRECISION_HINT": EXACT} if self._kinds[part].exact else {}
        )
        core = ov.Core()
        if self._folder:
            try:
                return core.compile_model(
                    self._folder / f"{part}.xml",
                    "CPU",
                    hints | {"CACHE_DIR": str(self._folder / "compiled")},
                )
            except RuntimeError as error:
                log.warning(
                    "the networks saved in %s cannot be used: delete that folder (%s)",
                    self._folder,
                    error,
                )
                self._folder = None
        self._built = self._built or build_graphs(self._model.params, self._model.weights)
        return core.compile_model(self._built[part], "CPU", hints)

    def run(self, part: str, inputs: list[Array], *, reuse_outputs: bool = False) -> list[Array]:
        if part not in self._compiled:
            self._compiled[part] = self._compile(part)
        compiled = self._compiled[part]
        try:
            if reuse_outputs:
                if part not in self._reused:
                    self._reused[part] = compiled.create_infer_request()
                result = self._reused[part].infer(inputs, share_inputs=True, share_outputs=True)
            else:
                result = compiled(inputs)
        except RuntimeError as error:
            if OUT_OF_MEMORY.search(str(error)):
                raise MemoryError(str(error)) from error
            raise
        return [np.asarray(result[output], np.float32) for output in compiled.outputs]

    def close(self) -> None:
        """Drop the graphs."""
        self._reused.clear()
        self._compiled.clear()
        self._built = {}


def _saved_graphs(model: LoadedModel, cache: Path) -> Path | None:
    """Return the folder with the saved graphs of a model, and save them where there are none yet.

    None where they cannot be saved. Raises LoadError.
    """
    folder = cache / f"{model.card.digest[:32]}-g{GRAPH_VERSION}-ov{ov.__version__.split('-')[0]}"
    if not folder.is_dir():
        graphs = build_graphs(model.params, model.weights)
        try:
            _save(graphs, folder)
        except (OSError, RuntimeError) as error:
            log.warning(
                "the networks cannot be saved in %s, so every start takes a second longer: %s",
                cache,
                error,
            )
            return None
    return folder


def _save(graphs: Mapping[str, ov.Model], folder: Path) -> None:
    """Write the graphs into ``folder``, atomically: two servers may start at once.

    Raises OSError, RuntimeError.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix="saving-"))
    try:
        for name, graph in graphs.items():
            ov.save_model(graph, temporary / f"{name}.xml", compress_to_fp16=False)
        temporary.chmod(0o755)  # the cache may be shared with servers of other users
        temporary.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was faster
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
