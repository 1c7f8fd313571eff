"""Watches the requests of a vendor's library, inside the vendor's own process.

Some libraries ask without a timeout and take an error page for an answer. Here every
request of the library ``requests`` gets a timeout, and an error stays an error. The
library's own functions are left as they are.
"""

import email.utils
import time
from typing import Any

from closecast.market.vendors.wire import Fault, FaultKind

TOO_MANY = frozenset({418, 429})
REFUSALS = frozenset({401, 403, 451})
NOT_FOUND = 404
SERVER_ERROR = 500


class Watch:
    """The last answer that came over the network.

    Attributes:
        timeout_s: Seconds for each request.
        last: The last response, None before one came.
    """

    def __init__(self) -> None:
        self.timeout_s = 30.0
        self.last: Any = None

    def retry_after_s(self) -> float | None:
        """Say how long the last answer asks to wait.

        Returns:
            Seconds; None if it does not say.
        """
        return None if self.last is None else retry_after_s(self.last.headers)

    def install(self, *, strict: bool) -> None:
        """Watch every request of this process from now on.

        Args:
            strict: An error of the server is raised at once, for libraries that
                would read it as data.
        """
        from requests.adapters import HTTPAdapter

        # as Any: its types are there in some environments and not in others
        adapter_class: Any = HTTPAdapter
        send = adapter_class.send

        def watched(adapter: Any, request: Any, **options: Any) -> Any:  # noqa: ANN401
            options["timeout"] = options.get("timeout") or self.timeout_s
            self.last = send(adapter, request, **options)
            if strict:
                refuse_error(self.last.status_code, self.last.headers)
            return self.last

        adapter_class.send = watched


def refuse_error(status: int, headers: Any) -> None:  # noqa: ANN401
    """Raise for an answer that is an error.

    Args:
        status: Its HTTP status.
        headers: Its headers.

    Raises:
        Fault: The status says that there are no data.
    """
    kind = kind_of(status)
    if kind is not None:
        raise Fault(
            kind=kind, why=f"HTTP status {status}", retry_after_s=retry_after_s(headers)
        )


def kind_of(status: int) -> FaultKind | None:
    """Say what an HTTP status means.

    Args:
        status: The status.

    Returns:
        The kind of fault; None if it is none.
    """
    if status in TOO_MANY:
        return "limited"
    if status in REFUSALS:
        return "refused"
    if status == NOT_FOUND:
        return "unknown"
    return "unavailable" if status >= SERVER_ERROR else None


def retry_after_s(headers: Any) -> float | None:  # noqa: ANN401
    """Read the header Retry-After.

    Args:
        headers: Of an answer.

    Returns:
        Seconds to wait, from a number or from a date; None without the header.
    """
    text = (headers.get("Retry-After") or "").strip()
    if text.isdigit():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())
