"""Importing this before torch keeps OpenMP's threads from spinning while they wait for each other.

Spinning threads stall a machine that is busy with other things: two of them on two busy cores took up to 16 times as
long as one. libgomp reads the variable when torch loads it, hence before torch (GNU libgomp manual, OMP_WAIT_POLICY).
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
