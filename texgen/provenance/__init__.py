# SPDX-License-Identifier: Apache-2.0
"""Records and verifies the origin of files: signed manifests (C2PA), hashes in sidecars, an
invisible watermark.
"""
