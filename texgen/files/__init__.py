# SPDX-License-Identifier: Apache-2.0
"""Texture files: formats, sets of maps, sidecars, and their checks."""
