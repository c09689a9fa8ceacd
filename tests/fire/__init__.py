"""Trials by fire: each tries to break a promise, and says with counts how it went.

`make test` runs the short form of every trial, `make test-fire` the long one.
"""
