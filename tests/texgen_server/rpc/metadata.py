# SPDX-License-Identifier: Apache-2.0
"""Metadata of a client with the token of the tests' server."""

from __future__ import annotations

TOKEN = (("authorization", "Bearer secret"),)
