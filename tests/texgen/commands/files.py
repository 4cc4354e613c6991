# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib


def hashes(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.glob("*.png")}
