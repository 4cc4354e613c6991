# SPDX-License-Identifier: Apache-2.0
"""Generates many texture sets from a spec, which is checked before any work; several requests are
in flight, and no set is generated twice.
"""
