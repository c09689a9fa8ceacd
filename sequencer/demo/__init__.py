"""The embedded post office and its prospects: `make demo`."""
