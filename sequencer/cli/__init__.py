"""The commands. Each module imports its operations only when its command runs, so that help is there at once."""
