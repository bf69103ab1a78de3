"""Bearer tokens, and what becomes of one that was refused.

azure-identity keeps a token until it is about to expire. One that the service refuses would be used again for an hour,
so the credential that keeps it is given up for a new one. The platform keeps tokens too, for hours as it is said, and
may hand out the same one: then nothing is gained, and nothing asked again for a while.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError

from shared.clients.interface import Granted
from shared.errors import Cause, Rejected, Transient

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure.core.credentials import TokenCredential

RENEW_AFTER = 300.0
"""Seconds within which a credential is given up once at the most: a refusal may have other reasons than its token."""

_WAIT = 30.0


class Tokens:
    """The tokens of one audience."""

    def __init__(
        self,
        audience: str,
        credential: TokenCredential,
        another: Callable[[], TokenCredential],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`another` makes a credential that has no tokens yet; `seconds` is any clock that goes forward."""
        self._audience = audience
        self._credential = credential
        self._another = another
        self._seconds = seconds
        self._lock = threading.Lock()
        self._given = ""
        self._renewed: float | None = None

    def current(self) -> str:
        """A token that has not expired. Raises Transient where there is none now."""
        credential = self._credential
        try:
            token = credential.get_token(f"{self._audience}/.default").token
        except AzureError as error:
            said = f"no token for {self._audience}: {type(error).__name__}"
            raise Transient(said, _WAIT, cause=Cause.TOKEN) from error
        self._given = token
        return token

    def granted(self) -> Granted:
        """See `Grants.granted`."""
        return claims_of(self.current())

    def renew(self, refused: str) -> bool:
        """Give up the credential of a refused token; whether another token may be had now."""
        with self._lock:
            if refused != self._given:
                return True
            now = self._seconds()
            if self._renewed is not None and now - self._renewed < RENEW_AFTER:
                return False
            self._renewed = now
            self._credential = self._another()
            return True


def claims_of(token: str) -> Granted:
    """The claims of a token, for people to see. Its signature is for the API to check; nothing here rests on them.

    Raises:
        Rejected: it is not a JSON Web Token.
    """
    _, _, rest = token.partition(".")
    part = rest.partition(".")[0]
    try:
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        roles, ends = claims.get("roles", []), claims.get("exp")
        moment = datetime.fromtimestamp(ends, UTC) if isinstance(ends, int) else None
        return Granted(str(claims.get("aud", "")), frozenset(map(str, roles)), moment)
    except (ValueError, AttributeError, TypeError, OverflowError, binascii.Error):
        raise Rejected("the token cannot be read", status=0) from None
