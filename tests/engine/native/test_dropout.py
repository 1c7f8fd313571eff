"""Dropout depends on what it is for, on nothing else."""

import numpy as np
import pytest

from closecast.engine.native import supported
from closecast.engine.native.kernels import load_kernels

MASK = 0xFFFFFFFF


def philox(counter, key):
    """Turn a counter into four words, as Salmon et al. (2011) have it."""
    c, k = list(counter), list(key)
    for _ in range(10):
        first, second = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [
            (second >> 32) ^ c[1] ^ k[0],
            second & MASK,
            (first >> 32) ^ c[3] ^ k[1],
            first & MASK,
        ]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c


def test_the_generator_of_this_test_is_philox():
    """The authors' own test vectors come out."""
    assert philox([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert philox([MASK] * 4, [MASK] * 2) == [
        0x408F276D,
        0x41C83B0E,
        0xA20BC7C6,
        0x6D5451FD,
    ]


@pytest.mark.parametrize("chance", [0.1, 0.5, 0.9])
def test_masks_come_from_the_counter(instruction_set, chance):
    """Seed, epoch, window, layer, step and unit settle a mask."""
    seed, epoch, window, layer, step, units = 2**32 - 1, 5, 123_456, 2, 9, 21
    masks = load_kernels(instruction_set).masks(
        seed, epoch, window, layer, step, chance, units
    )

    halves = []
    for group in range(3):
        for word in philox([window, step, layer, group], [seed, epoch]):
            halves += [word & 0xFFFF, word >> 16]
    threshold = int(chance * 65536 + 0.5)
    kept = np.array(halves[:units]) >= threshold

    assert np.array_equal(masks > 0, kept)
    assert masks[kept] == pytest.approx(65536 / (65536 - threshold))


def test_masks_keep_the_mean(instruction_set):
    """Over many windows the units that stay make up for those that go."""
    kernels = load_kernels(instruction_set)

    masks = np.array([kernels.masks(1, 1, row, 0, 0, 0.3, 50) for row in range(4000)])

    assert masks.mean() == pytest.approx(1.0, abs=0.01)
    assert (masks == 0).mean(axis=0) == pytest.approx(np.full(50, 0.3), abs=0.05)


def test_every_instruction_set_drops_the_same_units():
    """A training on another processor meets the same dropout."""
    drawn = {
        name: load_kernels(name).masks(3, 2, 77, 1, 4, 0.25, 130).tobytes()
        for name in supported()
    }

    assert len(set(drawn.values())) == 1
