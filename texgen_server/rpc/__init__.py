# SPDX-License-Identifier: Apache-2.0
"""The gRPC transport of the engine."""
