# SPDX-License-Identifier: Apache-2.0
"""Environments: from a recipe to a panorama of radiance.

Numpy only; the network is run by a backend.
"""
