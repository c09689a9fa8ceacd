"""The follow-up sequencer: polite, personal follow-up by e-mail that stops when a human answers."""

__version__ = "0.1.0"
