# SPDX-License-Identifier: Apache-2.0
"""Training: data, features, losses, loop, metrics, export.

Nothing imports it but the command line.
"""
