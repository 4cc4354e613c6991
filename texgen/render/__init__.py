# SPDX-License-Identifier: Apache-2.0
"""Pictures of materials and panoramas, rendered with numpy."""
