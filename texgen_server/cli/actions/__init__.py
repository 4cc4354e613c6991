# SPDX-License-Identifier: Apache-2.0
"""Actions of the server's commands: one module for each group that needs the same extra.

Loaded by `texgen_server.cli.shared.action` when a command runs. Each function takes the parsed
command line and returns the exit code.
"""
