# SPDX-License-Identifier: Apache-2.0
"""Names the classes and presets of the tiny models (`tests.tiny`), with the number of materials of
each class. Needs no torch.
"""

CLASSES = {"bark": 3, "brick": 4, "rock": 3}
PRESETS = ("ice",)
