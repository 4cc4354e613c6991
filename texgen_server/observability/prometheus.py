# SPDX-License-Identifier: Apache-2.0
"""Prometheus metrics on a port of their own.

They are read from counters that the server has anyway; nothing is counted twice. The library is
imported when metrics are served: it brings an HTTP server and TLS that most servers never need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from texgen.errors import OutputError
from texgen_server.cache import ResultCache
from texgen_server.engine.protocol import Engine
from texgen_server.observability.model_statistics import STAGES, Statistics


class Exporter:
    """Serves ``/metrics`` over HTTP until closed. Raises OutputError when the port is taken."""

    def __init__(self, host: str, port: int, collect: Callable[[], Iterator[Any]]) -> None:
        from prometheus_client import CollectorRegistry, start_http_server

        registry = CollectorRegistry()
        registry.register(_Collector(collect))
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except OSError as error:
            raise OutputError(
                f"cannot serve metrics on {host}:{port}: {error.strerror}; choose another "
                f"metrics_port"
            ) from error
        self.port = int(self._server.server_port)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)


class _Collector:
    def __init__(self, collect: Callable[[], Iterator[Any]]) -> None:
        self.collect = collect


def families(
    statistics: Statistics, engine: Engine, in_flight: Callable[[], int], cache: ResultCache | None
) -> Iterator[Any]:
    """Yield all metrics with their present values."""
    from prometheus_client import core

    yield from _model_families(statistics)
    yield from _engine_families(engine)
    yield core.GaugeMetricFamily(
        "texgen_calls_in_flight", "Calls for textures in progress", in_flight()
    )
    if cache is not None:
        yield from _cache_families(cache)


def _model_families(statistics: Statistics) -> Iterator[Any]:
    from prometheus_client import core

    results = core.CounterMetricFamily(
        "texgen_results", "Results delivered", labels=["model", "source"]
    )
    failures = core.CounterMetricFamily(
        "texgen_failures", "Results that failed or were cancelled", labels=["model"]
    )
    durations = core.SummaryMetricFamily(
        "texgen_stage_seconds", "Seconds of a result in each stage", labels=["model", "stage"]
    )
    for model in statistics.models():
        figures = statistics.of(model)
        results.add_metric([model, "made"], figures.results - figures.cache_hits)
        results.add_metric([model, "cache"], figures.cache_hits)
        failures.add_metric([model], figures.failures)
        for stage in STAGES:
            durations.add_metric(
                [model, stage], figures.durations[stage].count, figures.durations[stage].sum_s
            )
    yield from (results, failures, durations)


def _engine_families(engine: Engine) -> Iterator[Any]:
    from prometheus_client import core

    yield core.GaugeMetricFamily("texgen_queue_depth", "Jobs waiting", engine.queue_depth())
    batches = core.CounterMetricFamily(
        "texgen_batches", "Runs of a network, by the number of calls in a batch", labels=["size"]
    )
    for size, count in sorted(engine.batches().items()):
        batches.add_metric([str(size)], count)
    loaded = core.GaugeMetricFamily(
        "texgen_model_loaded", "1 for a model in memory", labels=["model"]
    )
    for model in engine.loaded():
        loaded.add_metric([model], 1)
    memory = core.GaugeMetricFamily("texgen_memory_bytes", "Memory in use", labels=["device"])
    for device in engine.devices():
        memory.add_metric([device.name], device.memory_used_bytes)
    yield from (batches, loaded, memory)


def _cache_families(cache: ResultCache) -> Iterator[Any]:
    from prometheus_client import core

    lookups = core.CounterMetricFamily(
        "texgen_cache_lookups", "Lookups in the cache of results", labels=["found"]
    )
    lookups.add_metric(["yes"], cache.hits)
    lookups.add_metric(["no"], cache.misses)
    yield lookups
    yield core.GaugeMetricFamily(
        "texgen_cache_bytes", "Bytes of the cached results on disk", cache.bytes_used()
    )
