# SPDX-License-Identifier: Apache-2.0
"""The networks as OpenVINO graphs, built from their weights alone: no torch.

`networks` is where they are trained; a test holds both alike.
"""

from __future__ import annotations

from texgen_server.graphs.environment import environment_graphs
from texgen_server.graphs.estimator import estimator_graphs
from texgen_server.graphs.material import material_graphs
from texgen_server.graphs.upscaler import upscaler_graphs
from texgen_server.networks.params import (
    EnvironmentParams,
    EstimatorParams,
    MaterialParams,
    NetworkParams,
    UpscalerParams,
    Weights,
)
from texgen_server.process.quiet_openvino import ov


def build_graphs(params: NetworkParams, weights: Weights) -> dict[str, ov.Model]:
    """Build the graph of each part (`params.PARTS`) of a network.

    Raises LoadError when the weights do not fit.
    """
    match params:
        case MaterialParams():
            return material_graphs(params, weights)
        case UpscalerParams():
            return upscaler_graphs(params, weights)
        case EstimatorParams():
            return estimator_graphs(params, weights)
        case EnvironmentParams():
            return environment_graphs(params, weights)
