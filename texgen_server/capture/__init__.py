# SPDX-License-Identifier: Apache-2.0
"""Capture: finds the recipe whose material looks most like a photograph."""
