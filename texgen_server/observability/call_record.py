# SPDX-License-Identifier: Apache-2.0
"""Records of calls: the caller, the results and the outcome of each.

Observers get a record once, at the end of its call: the log, and the traces.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

log = logging.getLogger("texgen.server")


@dataclass(frozen=True)
class Peer:
    """The caller: a token's name, or an address where the server requires no token."""

    name: str
    max_in_flight: int = 0
    """Most calls in flight; 0: the limit of all peers."""


@dataclass(frozen=True)
class ResultRecord:
    """A result of a call, with its durations."""

    queue_s: float = 0.0
    compute_s: float = 0.0
    encode_s: float = 0.0
    size_bytes: int = 0
    cache_hit: bool = False
    ended_ns: int = field(default_factory=time.time_ns)


@dataclass
class CallRecord:
    """A call, from its first byte to its last."""

    method: str
    peer: Peer
    parent: Mapping[str, str] = field(default_factory=dict)
    """Metadata of the caller's trace (W3C ``traceparent``)."""
    takes_whole_maps: bool = False
    """True for a client that takes small maps in one piece."""
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    started_ns: int = field(default_factory=time.time_ns)
    model: str = ""
    results: list[ResultRecord] = field(default_factory=list)
    status: str = "OK"
    why: str = ""
    """Text of the error that the client received."""
    ended_ns: int = 0

    def end(self, status: str = "OK", why: str = "") -> None:
        """End the call with a status. To be called once."""
        self.status, self.why, self.ended_ns = status, why, time.time_ns()

    def log_fields(self) -> dict[str, object]:
        """Return the fields of the log line: nothing of the request's content, no token."""
        figures: dict[str, object] = {
            "request_id": self.id,
            "method": self.method,
            "peer": self.peer.name,
            "status": self.status,
            "duration_s": round((self.ended_ns - self.started_ns) / 1e9, 6),
        }
        if self.model:
            figures["model"] = self.model
        if self.results:
            figures["results"] = len(self.results)
            figures["cache_hits"] = sum(made.cache_hit for made in self.results)
            figures["bytes"] = sum(made.size_bytes for made in self.results)
            for stage in ("queue_s", "compute_s", "encode_s"):
                figures[stage] = round(sum(getattr(made, stage) for made in self.results), 6)
        if self.why:
            figures["why"] = self.why
        return figures


class CallObserver(Protocol):
    """Observes the end of calls."""

    def ended(self, call: CallRecord) -> None:
        """Take the record of a call that has ended. Must neither raise nor wait."""
        ...


class Logger:
    """Logs each call: a `CallObserver` that writes one line, with the figures as fields for a
    formatter that uses them.
    """

    def ended(self, call: CallRecord) -> None:
        fields = call.log_fields()
        level = {"OK": logging.INFO, "INTERNAL": logging.ERROR}.get(call.status, logging.WARNING)
        if call.method.startswith("/grpc."):
            level = logging.DEBUG  # health is asked for every second
        log.log(
            level,
            "call %s",
            " ".join(f"{k}={v}" for k, v in fields.items() if k != "why")
            + (f" why={call.why!r}" if call.why else ""),
            extra=fields,
        )


CALL: ContextVar[CallRecord] = ContextVar("call")
"""The record of the current call: set before its handler runs."""
