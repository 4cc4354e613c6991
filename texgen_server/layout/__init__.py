# SPDX-License-Identifier: Apache-2.0
"""Layout engine: re-lays an exemplar's cells into a new, tileable layout of any size that is as
good as the scan but is not the scan.

Takes an exemplar's quantised latents with the rule of its family (`ExemplarCells`) and
`LayoutOptions`; returns index maps of integers. Needs NumPy alone; the result is the same on every
machine and in every window. `analyse` is done once for each exemplar.
"""

from texgen_server.layout.analysis import Analysis, analyse
from texgen_server.layout.exemplar import ExemplarCells
from texgen_server.layout.laying import lay_torus, lay_window
from texgen_server.layout.options import LayoutOptions
from texgen_server.layout.rules import Family, Rule, fitting_size, nearest_sizes

__all__ = [
    "Analysis",
    "ExemplarCells",
    "Family",
    "LayoutOptions",
    "Rule",
    "analyse",
    "fitting_size",
    "lay_torus",
    "lay_window",
    "nearest_sizes",
]
