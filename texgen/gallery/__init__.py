# SPDX-License-Identifier: Apache-2.0
"""Shows a folder of texture sets as one page that opens from disk, without a network."""
