# SPDX-License-Identifier: Apache-2.0
"""Repair of texture sets: closes seams, estimates missing maps, integrates normals. Numpy only."""
