# SPDX-License-Identifier: Apache-2.0
"""Commands of the ``texgen`` command line that need no server package."""
