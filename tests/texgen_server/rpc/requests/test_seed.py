# SPDX-License-Identifier: Apache-2.0
"""Seeds of requests."""

from __future__ import annotations

from texgen.pb import texgen_pb2 as pb
from texgen_server.rpc.requests.seed import seed_of


def test_a_given_seed_counts_even_zero_and_others_are_random():
    assert seed_of(pb.GenerateMaterialRequest(seed=0)) == 0
    assert seed_of(pb.CaptureOptions(seed=2**64 - 1)) == 2**64 - 1
    chosen = {seed_of(pb.VaryMaterialRequest()) for _ in range(8)}
    assert len(chosen) == 8
    assert all(0 <= seed < 2**32 for seed in chosen)
