# SPDX-License-Identifier: Apache-2.0
"""The wire format without a transport: builds requests and assembles event streams to results.

The Blender add-on uses it too.
"""
