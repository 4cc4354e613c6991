# SPDX-License-Identifier: Apache-2.0
"""The networks as OpenVINO graphs, built from their weights alone: no torch.

`networks` is where they are trained; a test holds both alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from texgen_server.graphs.environment import environment_graphs
from texgen_server.graphs.estimator import estimator_graphs
from texgen_server.graphs.material import material_graphs
from texgen_server.graphs.upscaler import upscaler_graphs
from texgen_server.networks.params import Weights
from texgen_server.process.quiet_openvino import ov

BUILDERS: dict[str, Callable[[Mapping[str, Any], Weights], dict[str, ov.Model]]] = {
    "material": material_graphs,
    "upscaler": upscaler_graphs,
    "estimator": estimator_graphs,
    "environment": environment_graphs,
}


def build_graphs(kind: str, network: Mapping[str, Any], weights: Weights) -> dict[str, ov.Model]:
    """Build the graph of each part (`network_params.PARTS`) of a model of a kind.

    Raises LoadError when the weights do not fit.
    """
    return BUILDERS[kind](network, weights)
