"""The files that people write, as values of the core, and what people see before these are live."""
