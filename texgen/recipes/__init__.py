# SPDX-License-Identifier: Apache-2.0
"""Recipes, the short texts that name results: building, checking, writing and reading."""
