# SPDX-License-Identifier: Apache-2.0
"""The networks: pure torch, no I/O, no gRPC."""
