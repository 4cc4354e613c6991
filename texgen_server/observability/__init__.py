# SPDX-License-Identifier: Apache-2.0
"""Observability: call records, logs, traces, metrics and statistics of models."""
