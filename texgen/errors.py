# SPDX-License-Identifier: Apache-2.0
"""The errors of texgen: one tree, which all of the SDK and the server raise.

| Error | Cause | gRPC status | exit code |
|---|---|---|---|
| `TexgenError` | base of all others; an unexpected status | any other | 1 |
| `InvalidRequestError` | an argument is out of range or of the wrong type | INVALID_ARGUMENT | 2 |
| `NotFoundError` | no such model, class or file | NOT_FOUND | 3 |
| `LoadError` | a model's files are missing, damaged or unsafe | FAILED_PRECONDITION | 4 |
| `CapacityError` | the queue is full, or memory is | RESOURCE_EXHAUSTED | 5 |
| `CancelledError` | the caller cancelled, or a deadline passed | CANCELLED | 6 |
| `ConnectionFailedError` | no server answers, or it went away | UNAVAILABLE | 7 |
| `AuthenticationError` | the token is missing or wrong | UNAUTHENTICATED | 8 |
| `OutputError` | the results could not be written | (client only) | 9 |

A message names what was given, what is allowed and what to do.
"""

from __future__ import annotations


class TexgenError(Exception):
    """Base of every error that a user of texgen can cause or meet."""

    exit_code = 1


class InvalidRequestError(TexgenError):
    """A field of a request is out of range or of the wrong kind."""

    exit_code = 2

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field
        """Name of the offending field as the contract spells it; empty when no single field is at
        fault.
        """


class NotFoundError(TexgenError):
    """A model, class or file that was named does not exist."""

    exit_code = 3


class LoadError(TexgenError):
    """A model's files are missing, damaged or of a kind that is never loaded."""

    exit_code = 4


class CapacityError(TexgenError):
    """The server has no room for the request now."""

    exit_code = 5


class CancelledError(TexgenError):
    """The request was cancelled by the caller or ran past its deadline."""

    exit_code = 6


class ConnectionFailedError(TexgenError):
    """No server answers at the address, or it went away during the call."""

    exit_code = 7


class AuthenticationError(TexgenError):
    """The server refused the token."""

    exit_code = 8


class OutputError(TexgenError):
    """The results could not be written where they were asked to go."""

    exit_code = 9
