"""Numbers that look random and that Rust makes too, so that a file of golden values need not hold them.

Number i of the stream `name` is splitmix64's output (Steele, Lea and Flood 2014) at the state FNV-1a(name) +
(i + 1) * 0x9e3779b97f4a7c15, its upper 24 bits mapped to [-1, 1): float32 holds each exactly.
toolkit/src/net/tests/mod.rs has the other half.
"""

import numpy as np


def scatter(name, count):
    """`count` numbers from -1 to 1, as float64."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2**23 - 1
