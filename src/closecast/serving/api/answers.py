"""Answers that lie ready: made once, kept as bytes, and sent again.

What is kept belongs to one model, one state of the prices and one of the ledger; when
any of them changes, all of it is dropped. Who asks while an answer is made waits for
the same one.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NamedTuple

MOST_KEPT = 4096
"""Answers in memory, some kilobytes each."""


class Ready(NamedTuple):
    """An answer that can be sent.

    Attributes:
        content: Its bytes.
        origin: Where the forecast came from, for the metrics.
    """

    content: bytes
    origin: str


class Answers:
    """Answers that are ready, for one event loop."""

    def __init__(self) -> None:
        self._epoch: object = None
        self._kept: OrderedDict[object, Ready] = OrderedDict()
        self._making: dict[object, asyncio.Task[Ready]] = {}

    async def get(
        self, epoch: object, key: object, make: Callable[[], Awaitable[Ready]]
    ) -> Ready:
        """Give an answer.

        Args:
            epoch: What all answers depend on.
            key: Which answer.
            make: What makes it.

        Returns:
            It, ready to be sent.
        """
        if epoch == self._epoch:
            ready = self._kept.get(key)
            if ready is not None:
                return ready
        making = self._making.get((epoch, key))
        if making is None:
            making = asyncio.ensure_future(self._made(epoch, key, make))
            self._making[epoch, key] = making
            making.add_done_callback(lambda _: self._making.pop((epoch, key), None))
        return await asyncio.shield(making)

    async def _made(
        self, epoch: object, key: object, make: Callable[[], Awaitable[Ready]]
    ) -> Ready:
        answer = await make()
        if epoch != self._epoch:
            self._epoch, self._kept = epoch, OrderedDict()
        self._kept[key] = answer
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return answer
