# SPDX-License-Identifier: Apache-2.0
"""Upscaling: enlarges or cleans maps, tile by tile. Numpy only; the network is run by a backend."""
