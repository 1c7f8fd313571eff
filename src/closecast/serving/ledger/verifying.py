"""Whether a ledger is as it was written: every hash and every score made again."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from closecast.evaluation.scores import crps
from closecast.serving.ledger.chain import Entry, Head, forecast_of, genesis, hash_of
from closecast.serving.ledger.truth import Past, one_step

NAMED = 5
"""Broken rows that are named, at most."""

SAME_SCORE = 1e-9
"""Relative difference of a score made again that is rounding."""


def broken_links(
    entries: Iterable[Entry], ledger: str, receipts: Sequence[Head]
) -> Iterator[str]:
    """Follow a chain from its first row on.

    Args:
        entries: All rows, by number.
        ledger: Identity of the ledger.
        receipts: Rows that must be in it.

    Yields:
        A sentence for each broken link, the first few by number, and for each receipt
        whose row is missing or another one.
    """
    number, previous, as_of, broken = 0, genesis(ledger), None, 0
    hashes = {0: previous}
    wanted = {receipt.number for receipt in receipts}
    for entry in entries:
        found = _link(entry, number + 1, previous)
        if as_of is not None and entry.as_of < as_of and not found:
            found = f"Row {entry.number} is older than the row before it."
        if found:
            broken += 1
            if broken <= NAMED:
                yield found
        number, previous, as_of = entry.number, entry.hash, entry.as_of
        if number in wanted:
            hashes[number] = entry.hash
    if broken > NAMED:
        yield f"{broken - NAMED} more rows are broken."
    yield from _missing(receipts, ledger, hashes, number)


def broken_scores(past: Iterable[Past]) -> Iterator[str]:
    """Make scores again from the stored forecasts and truths.

    Args:
        past: Forecasts with their scores.

    Yields:
        A sentence for each score that comes out differently, the first few by number.
    """
    broken = 0
    for one in past:
        if not one.scores:
            continue
        steps = np.array([score.step for score in one.scores]) - 1
        truth = np.array([[score.truth] for score in one.scores])
        forecast = one_step(forecast_of([one.entry]), np.zeros(len(steps), int), steps)
        again = crps(forecast, truth)[:, 0]
        for score, value in zip(one.scores, again, strict=True):
            if abs(score.crps - value) > SAME_SCORE * abs(value):
                broken += 1
                if broken <= NAMED:
                    yield (
                        f"Score of row {score.number}, step {score.step}, is "
                        f"{score.crps:.6g} and comes out as {value:.6g}."
                    )
    if broken > NAMED:
        yield f"{broken - NAMED} more scores are broken."


def _link(entry: Entry, number: int, previous: str) -> str:
    place = f"{entry.model}, symbol {entry.symbol}, cutoff {entry.cutoff}"
    if entry.number != number:
        return f"Row {number} is missing before row {entry.number} ({place})."
    if entry.previous != previous:
        return f"Row {entry.number} is not chained to the row before it ({place})."
    if hash_of(entry) != entry.hash:
        return f"Row {entry.number} was changed: its hash is another one ({place})."
    return ""


def _missing(
    receipts: Sequence[Head], ledger: str, hashes: dict[int, str], last: int
) -> Iterator[str]:
    for receipt in receipts:
        if receipt.ledger != ledger:
            yield f"A receipt is of another ledger ({receipt.ledger})."
        elif receipt.number > last:
            yield (
                f"The end is missing: a receipt names row {receipt.number}, the ledger "
                f"ends at row {last}."
            )
        elif hashes.get(receipt.number) != receipt.hash:
            yield f"Row {receipt.number} is not the one that a receipt names."
