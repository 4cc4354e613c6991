# SPDX-License-Identifier: Apache-2.0
"""The base of all trainers: device, random stream, optimiser step, averaged weights, state file.

A family of models subclasses `FixedLengthTrainer`: it creates its networks on ``self.device``,
registers them, and implements `Trainer.step`.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from texgen_server.training.distributed import Workers
from texgen_server.training.schedule import EmaSchedule, RateSchedule
from texgen_server.training.state import Networks, Optimizers, read_state, write_state

Record = dict[str, float]
"""Figures of one step, by name."""
Network = TypeVar("Network", bound=nn.Module)
Value = TypeVar("Value")
"""Type of the figures that a step returns: float, or Tensor where they stay on the device."""
ROLLED_BACK = "rolled_back"
"""Name of the entry of a record that says that the run was rolled back; it holds no losses then."""
STEP_STRIDE, RANK_STRIDE = 17, 1_000_003
"""Distances between the seeds of random streams: after each start, and of each worker."""


class RunSettings(Protocol):
    """The part of a family's settings that a trainer of fixed length needs."""

    @property
    def seed(self) -> int:
        """Seed of the weights and of the random stream."""

    @property
    def total(self) -> int:
        """Length of the whole run, in the trainer's unit."""

    @property
    def schedule(self) -> RateSchedule:
        """Learning-rate factors of all optimisers."""

    @property
    def ema(self) -> EmaSchedule:
        """Half-life of the averaged weights."""


class Trainer(ABC, Generic[Value]):
    """Networks, their averages and optimisers on one device, trained step by step.

    Subclasses fill ``networks`` and ``optimizers``, whose names are those in the state file, and
    ``averages``, pairs of averaged and trained network.
    """

    unit: ClassVar[str] = "steps"
    """Unit of positions; also their name in the state file."""

    def __init__(self, seed: int, device: torch.device, workers: Workers | None = None) -> None:
        torch.manual_seed(seed)
        self.seed, self.device, self.workers = seed, device, workers or Workers()
        self.position = 0
        self.networks: Networks = {}
        self.optimizers: Optimizers = {}
        self.averages: list[tuple[nn.Module, nn.Module]] = []
        self.random = torch.Generator()
        """Random stream of data and noise; on the CPU, so that all devices see the same."""
        self.restart_random()

    @abstractmethod
    def step(self) -> dict[str, Value]:
        """Make one update of all networks; ends with `advance`. Returns the step's figures."""

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Tell whether the run is at its end."""

    @abstractmethod
    def rate_factor(self) -> float:
        """Return the factor of all learning rates now."""

    @abstractmethod
    def ema_decay(self, count: int) -> float:
        """Return the share of the averaged weights that is kept over ``count`` positions."""

    def run(self) -> Iterator[dict[str, Value]]:
        """Train to the end; yields each step's figures."""
        while not self.finished:
            yield self.step()

    # -- random stream
    # ----------------------------------------------------------------------------------------------

    def stream_seed(self) -> int:
        """Return the seed of the random stream: another one on each worker, after each start."""
        return self.seed + self.position * STEP_STRIDE + self.workers.rank * RANK_STRIDE

    def restart_random(self) -> None:
        """Seed the random stream anew for the current position."""
        self.random.manual_seed(self.stream_seed())

    # -- updates
    # ----------------------------------------------------------------------------------------------

    def update(
        self,
        optimizer: torch.optim.Optimizer,
        loss: Tensor,
        lr: float,
        clip_norm: float | None = None,
    ) -> None:
        """Take one optimiser step on a loss, with gradients averaged over the workers.

        ``clip_norm`` is the largest norm of all gradients of the optimiser together.
        """
        for group in optimizer.param_groups:
            group["lr"] = lr * self.rate_factor()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.workers.average_gradients(parameters)
        if clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
        optimizer.step()

    @torch.no_grad()
    def advance(self, count: int = 1) -> None:
        """Move the averaged weights towards the trained ones, and the position by ``count``."""
        decay = self.ema_decay(count)
        for average, network in self.averages:
            torch._foreach_lerp_(
                list(average.parameters()), list(network.parameters()), 1.0 - decay
            )
        self.position += count

    # -- state
    # ----------------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write everything that `load` needs, atomically."""
        write_state(self.networks, self.optimizers, path, self.metadata())

    def load(self, path: Path) -> None:
        """Go on where `save` was called, but for the random stream, which starts anew."""
        self.restore(read_state(self.networks, self.optimizers, path))
        self.restart_random()

    def metadata(self) -> dict[str, str]:
        """Return what a state file says beside tensors."""
        return {self.unit: str(self.position)}

    def restore(self, metadata: dict[str, str]) -> None:
        """Take over what `metadata` returned."""
        self.position = int(metadata[self.unit])


class FixedLengthTrainer(Trainer[float]):
    """A trainer with schedules over a run of fixed length."""

    def __init__(
        self, settings: RunSettings, device: torch.device, workers: Workers | None = None
    ) -> None:
        super().__init__(settings.seed, device, workers)
        self.settings = settings
        self.rate_scale = 1.0
        """Factor of all learning rates; halved when a run that diverged is rolled back."""

    @property
    def finished(self) -> bool:
        """Tell whether the run has reached its total."""
        return self.position >= self.settings.total

    def rate_factor(self) -> float:
        """Return the factor of all learning rates at the current position."""
        schedule = self.settings.schedule
        return self.rate_scale * schedule.factor(self.position, self.settings.total)

    def ema_decay(self, count: int) -> float:
        """Return the share of the averaged weights that is kept over ``count`` positions."""
        return self.settings.ema.decay(self.position, count)

    def log_position(self) -> Record:
        """Return the entries of the log that say where the run is."""
        return {"step": self.position}


def averaged(network: Network) -> Network:
    """Return a copy of a network for its averaged weights, which takes no gradients."""
    return copy.deepcopy(network).eval().requires_grad_(requires_grad=False)


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Keep gradients from a network's weights; they still flow to its inputs."""
    trained = [p for p in network.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad = False
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad = True
