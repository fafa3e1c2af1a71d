"""The partition and the decision boundary of the two-moons classifier, as a picture.

Run from the repository: `python examples/two_moons/figure.py`. It needs nothing but
exactcam and writes `partition.svg` beside this script.
"""

from __future__ import annotations

from pathlib import Path

import exactcam


def main() -> None:
    network = exactcam.load(Path(exactcam.__file__).parent / "data" / "two_moons.json")
    part = exactcam.partition(network, window=("-1.75", "-1.25", "2.75", "1.75"))
    part.check_invariants()
    boundary = part.decision_boundary()
    print(part.counts)
    print(f"boundary: {len(boundary.segments)} segments, length {boundary.length}")
    for line in boundary.polylines:
        print(f"from {[float(x / line[0][2]) for x in line[0][:2]]} through {len(line)} points")
    exactcam.draw(part, Path(__file__).with_name("partition.svg"), title="Two moons, exactly")


if __name__ == "__main__":
    main()
