# SPDX-License-Identifier: Apache-2.0
"""The layout engine: re-lays an exemplar's cells so that what comes out is as good as the scan, is
not the scan, and tiles at any size.

In: an exemplar's quantised latents and the rule of its family (`ExemplarCells`), an `Order`. Out:
index maps, integers, from NumPy alone; the same on every machine, in every window. ``analyse`` is
done once for each exemplar.
"""

from texgen_server.layout.analysis import Analysis, analyse
from texgen_server.layout.exemplar import ExemplarCells
from texgen_server.layout.laying import lay_torus, lay_window
from texgen_server.layout.order import Order
from texgen_server.layout.rules import Family, Rule, fitting_size, nearest_sizes

__all__ = [
    "Analysis",
    "ExemplarCells",
    "Family",
    "Order",
    "Rule",
    "analyse",
    "fitting_size",
    "lay_torus",
    "lay_window",
    "nearest_sizes",
]
