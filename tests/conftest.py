"""What every test runs under."""

import os

# Before torch is imported: threads that wait for one another sleep, not spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MPLBACKEND", "Agg")
