# SPDX-License-Identifier: Apache-2.0
"""Two processes average their gradients and agree on votes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

PROGRAM = """
import torch
from texgen_server.training.distributed import Workers

workers = Workers.join(torch.device("cpu"))
weight, unused = torch.zeros(3, requires_grad=True), torch.zeros(2, requires_grad=True)
(weight * (workers.rank + 1.0)).sum().backward()
workers.average_gradients([weight, unused])
assert weight.grad.tolist() == [1.5] * 3, weight.grad
assert unused.grad.tolist() == [0.0] * 2
assert workers.any(workers.rank == 1)
assert not workers.any(False)
done = []
workers.run_once(lambda: done.append(1))
assert len(done) == (workers.rank == 0)
torch.distributed.destroy_process_group()
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.slow
def test_two_workers_average_gradients_and_agree():
    port = str(free_port())
    common = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    workers = [
        subprocess.Popen([sys.executable, "-c", PROGRAM], env=common | {"RANK": str(rank)})
        for rank in range(2)
    ]
    assert [worker.wait(300) for worker in workers] == [0, 0]
