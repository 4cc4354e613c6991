# SPDX-License-Identifier: Apache-2.0
"""What goes over the wire, without a transport: requests are built here, event streams become
results here. The add-on uses it too.
"""
