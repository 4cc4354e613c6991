# SPDX-License-Identifier: Apache-2.0
"""Texture sets as engines want them: presets are data, one TOML file each; documents have a writer
each, made by the library of its field.
"""
