# SPDX-License-Identifier: Apache-2.0
"""Where a file comes from: signed manifests (C2PA), hashes in sidecars, an invisible watermark;
written, and read again.
"""
