# SPDX-License-Identifier: Apache-2.0
"""Training of the upscaler: data, losses and loop, evaluation, export."""
