# SPDX-License-Identifier: Apache-2.0
"""Generates labelled synthetic textures for training other models: the plan, the views,
the folder.
"""
