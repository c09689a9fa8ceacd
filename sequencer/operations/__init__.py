"""The use cases. The commands, the pages and the daemon call only these; `now` is always an argument."""
