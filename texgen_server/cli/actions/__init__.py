# SPDX-License-Identifier: Apache-2.0
"""Actions of the server's commands: a module for each group of commands that needs the same extra.

Loaded by `texgen_server.cli.shared.action` when a command runs. Each function takes the parsed
command line and returns the exit code.
"""
