# SPDX-License-Identifier: Apache-2.0
"""Hosts the GANs: networks, sampling, backends, engines, gRPC, training."""
