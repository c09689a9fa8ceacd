"""The pure core: what happens next, and when. No I/O, no clock, no randomness."""
