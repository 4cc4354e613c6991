# SPDX-License-Identifier: Apache-2.0
"""Exemplars: CC0 material scans, prepared for the bank.

Resampled once, with heights and normals that agree and even light.
"""
