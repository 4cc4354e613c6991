# SPDX-License-Identifier: Apache-2.0
"""Benches of ``texgen bench``: speed as ratios within one run.

Machines are noisy: medians of interleaved rounds are compared with peers and the measured peak.
"""
