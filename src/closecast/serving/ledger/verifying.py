"""Whether a ledger is as it was written: every hash and every score made again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from closecast.evaluation.scores import crps, hits
from closecast.serving.ledger.chain import Entry, Head, forecast_of, hash_of
from closecast.serving.ledger.rows import moment_of, score_of
from closecast.serving.ledger.seals import Tally, promise_hash, score_hash
from closecast.serving.ledger.truth import INTERVALS, Past, Score, one_step, pit_of

NAMED = 5
"""Broken rows that are named, at most."""

SAME_SCORE = 1e-9
"""Relative difference of a score made again that is rounding."""


def broken_links(entries: Iterable[Entry], start: Head) -> Iterator[str]:
    """Follow a chain.

    Args:
        entries: All rows after the start, by number.
        start: The row before the first of them.

    Yields:
        A sentence for each broken link, the first few by number.
    """
    yield from _first_few(_other_links(entries, start), "rows")


def missing_rows(
    receipts: Sequence[Head], head: Head, found: Mapping[int, str]
) -> Iterator[str]:
    """Hold receipts against a chain.

    Args:
        receipts: Rows that must be in it.
        head: Where it ends.
        found: Hashes of the rows that the receipts name, as far as they are there.

    Yields:
        A sentence for each receipt whose row is missing or another one.
    """
    for receipt in receipts:
        if receipt.ledger != head.ledger:
            yield f"A receipt is of another ledger ({receipt.ledger})."
        elif receipt.number > head.number:
            yield (
                f"The end is missing: a receipt names row {receipt.number}, the ledger "
                f"ends at row {head.number}."
            )
        elif found.get(receipt.number) != receipt.hash:
            yield f"Row {receipt.number} is not the one that a receipt names."


def broken_scores(past: Iterable[Past]) -> Iterator[str]:
    """Make scores and their hashes again from the stored forecasts and truths.

    Args:
        past: Forecasts with their scores.

    Yields:
        A sentence for each score that comes out differently, the first few by number.
    """
    found = (sentence for one in past for sentence in _other_scores(one))
    yield from _first_few(found, "scores")


def broken_replaced(rows: Iterable[Any]) -> Iterator[str]:
    """Make the hashes of corrected scores again.

    Args:
        rows: Of ``replaced_scores``, each with the hash of its forecast.

    Yields:
        A sentence for each row that was changed, the first few by number.
    """
    found = (
        f"The replaced score of {_place(score)}, was changed: its hash is another one."
        for row in rows
        for score in [score_of(row)]
        if score.hash
        != score_hash(score, row.forecast_hash, moment_of(row.replaced_at))
    )
    yield from _first_few(found, "replaced scores")


def broken_promises(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Make the hashes of promises again.

    Args:
        rows: Of ``promises``.

    Yields:
        A sentence for each row that was changed, the first few by number.
    """
    found = (
        f"Promise {row['id']} was changed: its hash is another one."
        for row in rows
        if row["hash"] != promise_hash(row)
    )
    yield from _first_few(found, "promises")


def broken_tally(name: str, stated: Tally, made: Tally) -> Iterator[str]:
    """Hold what was counted against what is there.

    Args:
        name: Of the table.
        stated: As it was kept with each writing.
        made: Of the rows that are there.

    Yields:
        A sentence if they differ.
    """
    if stated != made:
        yield (
            f"Rows of {name} are missing, added or changed: {stated.rows} were counted "
            f"in, {made.rows} are there."
        )


def _first_few(sentences: Iterable[str], what: str) -> Iterator[str]:
    broken = 0
    for sentence in sentences:
        broken += 1
        if broken <= NAMED:
            yield sentence
    if broken > NAMED:
        yield f"{broken - NAMED} more {what} are broken."


def _other_links(entries: Iterable[Entry], start: Head) -> Iterator[str]:
    number, previous, as_of = start.number, start.hash, None
    for entry in entries:
        found = _link(entry, number + 1, previous)
        if as_of is not None and entry.as_of < as_of and not found:
            found = f"Row {entry.number} is older than the row before it."
        if found:
            yield found
        number, previous, as_of = entry.number, entry.hash, entry.as_of


def _other_scores(one: Past) -> Iterator[str]:
    if not one.scores:
        return
    steps = np.array([score.step for score in one.scores]) - 1
    if steps.min() < 0 or steps.max() >= one.entry.horizon:
        yield f"Row {one.entry.number} has a score of a step that it does not forecast."
        return
    truth = np.array([[score.truth] for score in one.scores])
    forecast = one_step(forecast_of([one.entry]), np.zeros(len(steps), int), steps)
    loss, pits = crps(forecast, truth)[:, 0], pit_of(forecast, truth)
    held = np.column_stack([hits(forecast, truth, c)[:, 0] for c in INTERVALS])
    for at, score in enumerate(one.scores):
        place = _place(score)
        if not _same(score.crps, loss[at]):
            yield (
                f"Score of {place}, is {score.crps:.6g}, comes out as {loss[at]:.6g}."
            )
        elif not _same(score.pit, pits[at]):
            yield f"PIT of {place}, is {score.pit:.6g} and comes out as {pits[at]:.6g}."
        elif (score.in_50, score.in_80, score.in_95) != tuple(held[at].tolist()):
            yield f"Hits of {place}, are not those that come out."
        elif score.hash != score_hash(score, one.entry.hash):
            yield f"Score of {place}, was changed: its hash is another one."


def _place(score: Score) -> str:
    return f"row {score.number}, step {score.step}"


def _same(stated: float, made: float) -> bool:
    return abs(stated - made) <= SAME_SCORE * abs(made)


def _link(entry: Entry, number: int, previous: str) -> str:
    place = f"{entry.model}, symbol {entry.symbol}, cutoff {entry.cutoff}"
    if entry.number != number:
        return f"Row {number} is missing before row {entry.number} ({place})."
    if entry.previous != previous:
        return f"Row {entry.number} is not chained to the row before it ({place})."
    if hash_of(entry) != entry.hash:
        return f"Row {entry.number} was changed: its hash is another one ({place})."
    return ""
