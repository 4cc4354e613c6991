# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

SPEC = """
[defaults]
size = 64

[[set]]
class = "bark"
seeds = "1..3"

[[set]]
name = "castle"
class = "brick=0.7,rock=0.3"
seeds = [4]
preset = "unreal"
controls = { relief_depth = [0.5, 2.0], hue_shift = 10 }
"""


STEMS = ["bark_1", "bark_2", "bark_3", "castle_4_v1", "castle_4_v2"]


def spec(folder, text=SPEC, name="spec.toml"):
    path = folder / name
    path.write_text(text)
    return path


def contents(folder, *, sidecars=False):
    return {
        p.name: p.read_bytes()
        for p in sorted(Path(folder).iterdir())
        if sidecars or p.suffix != ".json"
    }
