"""Pure: the raw bytes of a received mail in, a `Reading` out."""
