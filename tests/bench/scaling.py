#!/usr/bin/env python3
"""How evenly SO_REUSEPORT spreads connections over loops: each goes to one at random, by a hash.

Prints how much more the fullest loop has than the mean: the median of some draws, and one of a hundred.
"""
import random


def fullest(loops, connections, dice):
    """The largest share, with the mean as 1. Many connections: the normal limit of the multinomial draw."""
    mean = connections / loops
    if connections <= 20_000:
        counts = [0] * loops
        for _ in range(connections):
            counts[dice.randrange(loops)] += 1
        return max(counts) / mean
    deviation = (mean * (1 - 1 / loops)) ** 0.5
    return max(dice.gauss(mean, deviation) for _ in range(loops)) / mean


def main():
    dice = random.Random(5)
    print("| loops | connections | fullest loop, × mean | one time in a hundred |\n|---:|---:|---:|---:|")
    for loops, connections in ((2, 64), (2, 2000), (4, 2000), (16, 640), (64, 640), (64, 10_000), (64, 1_000_000)):
        draws = sorted(fullest(loops, connections, dice) for _ in range(200))
        print(f"| {loops} | {connections:,} | {draws[100]:.2f} | {draws[198]:.2f} |")


if __name__ == "__main__":
    main()
