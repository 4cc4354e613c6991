# SPDX-License-Identifier: Apache-2.0
"""Labelled synthetic textures for training other models: what to make, how it is seen, how it is
kept.
"""
