# SPDX-License-Identifier: Apache-2.0
"""Inputs: reads anybody's texture files and sets, by rules that are data (`conventions.toml`)."""
