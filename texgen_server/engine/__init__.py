# SPDX-License-Identifier: Apache-2.0
"""Engines schedule jobs on devices."""
