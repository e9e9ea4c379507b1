"""The order of training: a permutation of the images for each epoch that needs no memory.

A loader that shuffles a list of a billion numbers holds eight gigabytes in each of its processes and must replay the
shuffle to resume. A pseudo-random permutation computed point by point (Black and Rogaway 2002, "Ciphers with arbitrary
finite domains": a Feistel network with cycle walking) gives the image at any position at once, on any rank.
"""

import hashlib
from functools import lru_cache

ROUNDS = 4


@lru_cache(maxsize=8)
def _round_keys(seed: int, epoch: int) -> tuple[int, ...]:
    key = hashlib.sha256(f"order {seed} {epoch}".encode()).digest()
    return tuple(int.from_bytes(key[8 * i : 8 * i + 8], "little") for i in range(ROUNDS))


def _mix(value: int) -> int:
    """A 64-bit finaliser (Steele, Lea and Flood 2014, SplitMix): every input bit changes every output bit."""
    value = (value + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return value ^ (value >> 31)


def image_at(position: int, count: int, seed: int) -> tuple[int, int]:
    """Which image stands at a position of the endless training stream.

    Args:
        position: samples drawn before this one, over all ranks.
        count: images in the set; each is seen once in every `count` positions.
        seed: of the run.

    Returns:
        (image, epoch): the image's number in [0, count) and how often the whole set was seen before.
    """
    epoch, slot = divmod(position, count)
    half_bits = max(1, ((count - 1).bit_length() + 1) // 2)
    mask = (1 << half_bits) - 1
    keys = _round_keys(seed, epoch)
    while True:
        left, right = slot >> half_bits, slot & mask
        for key in keys:
            left, right = right, left ^ (_mix(right ^ key) & mask)
        slot = (left << half_bits) | right
        if slot < count:
            return slot, epoch
