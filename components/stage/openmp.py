"""Keeps OpenMP's threads from spinning while they wait for each other; it has to be imported before torch.

Spinning threads stall a machine that runs other programs: two threads on two busy cores took up to 16 times as long as
one. libgomp reads the variable when torch loads it (GNU libgomp manual, OMP_WAIT_POLICY).
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
