# SPDX-License-Identifier: Apache-2.0
"""Training of the estimator: data, loop, evaluation, export."""
