# SPDX-License-Identifier: Apache-2.0
"""The benches measure what they say: run small, on tiny networks."""

from __future__ import annotations

import pytest
import torch

from texgen.cli import main
from texgen_server.bench.batch import BatchBench, bench_batch
from texgen_server.bench.gpu import GpuBench, bench_gpu
from texgen_server.bench.options import ServerBench
from texgen_server.bench.server import bench_server


def test_the_gpu_bench_runs_the_engine(models, tmp_path):
    report = bench_gpu(GpuBench(models, tmp_path, (32, 64), 1, "torch", gemm_edges=(64, 128)))
    assert [(row["size_px"], row["together"]) for row in report["rows"]] == [
        (s, n) for s in (32, 64) for n in (1, 4, 16)
    ]
    for row in report["rows"]:
        assert row["ms_per_set"] > row["ms_at_peak"] > 0
        assert row["share_of_peak"] == pytest.approx(
            row["ms_at_peak"] / row["ms_per_set"], abs=0.01
        )
    assert report["batches"]["1"] > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_that_is_told(capsys):
    assert main(["bench", "gpu"]) == 4
    assert "no CUDA device" in capsys.readouterr().err


@pytest.mark.slow
def test_the_server_bench_prints_every_promise(models, tmp_path):
    report = bench_server(
        ServerBench(models, tmp_path / "graphs", 256, 128, 64, clients=4, rounds=3)
    )
    rows = {row["what"]: row for row in report["rows"]}
    assert len(rows) == 5
    assert all(row["measured"] > 0 for name, row in rows.items() if not name.startswith("s beyond"))
    for row in report["rows"]:
        bound = float(row["promised"].split()[1])
        assert (row["holds"] == "yes") == (
            row["measured"] <= bound if "<=" in row["promised"] else row["measured"] >= bound
        )


def test_the_batch_bench_makes_the_sets(models, tmp_path):
    (row,) = bench_batch(BatchBench(models, tmp_path, 64, sets=3, rounds=1, device="torch"))["rows"]
    assert row["measured"] > 0
    assert (row["holds"] == "yes") == (row["measured"] >= 0.75)
