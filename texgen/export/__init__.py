# SPDX-License-Identifier: Apache-2.0
"""Exports texture sets for engines: presets are data, one TOML file each; each document has a
writer that uses the library of its field.
"""
