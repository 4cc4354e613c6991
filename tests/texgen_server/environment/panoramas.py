# SPDX-License-Identifier: Apache-2.0
"""Helpers of the tests of environments."""

from __future__ import annotations

from texgen.maps import Encoding

RAW = {"encoding": Encoding.RAW}
