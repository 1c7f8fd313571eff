"""Notices on their way: written down before they are sent, ticked off after.

A notice that was sent when the machine died is sent again: it carries the hash of the
head that it tells of, so that whoever receives it knows it already.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from closecast.serving.ledger.chain import Head, written
from closecast.serving.ledger.tables import notices


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notice for one channel.

    Attributes:
        head: Hash of the head that it tells of.
        channel: ``webhook`` or ``mail``.
        body: What it says, plain values.
    """

    head: str
    channel: str
    body: Mapping[str, Any]


def last_told(connection: Connection) -> tuple[int, str]:
    """Say up to which row of the chain notices have been written.

    Args:
        connection: The database.

    Returns:
        The row's number and when the notice was written; 0 and "" before any.
    """
    own = notices.c
    row = connection.execute(
        sa.select(own.number, own.made_at).order_by(own.number.desc()).limit(1)
    ).first()
    return (0, "") if row is None else (row.number, row.made_at)


def write_notices(
    connection: Connection,
    head: Head,
    channels: Sequence[str],
    body: Mapping[str, Any],
    now: dt.datetime,
) -> None:
    """Write a notice of a head down for each channel.

    Args:
        connection: The database, in a writer's transaction.
        head: What it tells of; at most one notice is written of it.
        channels: Where it goes; "" keeps it without sending it.
        body: What it says, plain values.
        now: The time.
    """
    rows = [
        {
            "head": head.hash,
            "channel": channel,
            "number": head.number,
            "body": json.dumps(body, ensure_ascii=False),
            "made_at": written(now),
            "sent_at": None if channel else written(now),
        }
        for channel in channels
    ]
    connection.execute(notices.insert(), rows)


def unsent(connection: Connection) -> list[Notice]:
    """List notices that are still to be sent, oldest first."""
    own = notices.c
    query = sa.select(own.head, own.channel, own.body).where(own.sent_at.is_(None))
    return [
        Notice(head=row.head, channel=row.channel, body=json.loads(row.body))
        for row in connection.execute(query.order_by(own.number, own.channel))
    ]


def tick_off(connection: Connection, notice: Notice, now: dt.datetime) -> None:
    """Note that a notice was sent."""
    own = notices.c
    connection.execute(
        notices.update()
        .where(own.head == notice.head, own.channel == notice.channel)
        .values(sent_at=written(now))
    )
