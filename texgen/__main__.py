# SPDX-License-Identifier: Apache-2.0
"""``python -m texgen``: the command, for torchrun."""

from texgen.cli import main

raise SystemExit(main())
