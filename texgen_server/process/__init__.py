# SPDX-License-Identifier: Apache-2.0
"""Settings that belong to a whole process: memory of the C library, threads, and libraries that
leave traces.
"""
