# SPDX-License-Identifier: Apache-2.0
"""Materials: from a recipe to finished maps. Numpy only; the network is run by a backend."""
