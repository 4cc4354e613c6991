# SPDX-License-Identifier: Apache-2.0
"""Many texture sets from a spec: read and checked before any work, made with several requests in
flight, never twice.
"""
