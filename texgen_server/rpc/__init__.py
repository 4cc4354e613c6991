# SPDX-License-Identifier: Apache-2.0
"""gRPC: a skin over the engine."""
