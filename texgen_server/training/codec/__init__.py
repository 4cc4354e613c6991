# SPDX-License-Identifier: Apache-2.0
"""Training of the codec: first to reconstruct, then, with a discriminator, to paint grain and mend
joins.
"""
