"""The running service: one worker a mailbox, a supervisor, and the only clock."""
