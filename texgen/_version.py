# SPDX-License-Identifier: Apache-2.0
"""The version of texgen, alone in a file so that builds can read it."""

__version__ = "0.1.0"
