# SPDX-License-Identifier: Apache-2.0
"""What the server's commands do: one module for each group of commands that needs the same extra.

Loaded by `texgen_server.cli.shared.action` when a command runs. Each function takes the parsed
command line and returns the exit code.
"""
