# SPDX-License-Identifier: Apache-2.0
"""``texgen bench``: speed as ratios of one run.

Machines are noisy; medians of interleaved rounds, against peers and the measured peak.
"""
