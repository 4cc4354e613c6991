# SPDX-License-Identifier: Apache-2.0
"""Requests: turns protobuf messages into checked orders.

Everything a client can get wrong is refused here.
"""
