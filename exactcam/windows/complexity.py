"""Local complexity: how many regions a network has near points, on random planes through them."""

from __future__ import annotations
