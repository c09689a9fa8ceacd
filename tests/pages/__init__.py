"""Tests of the pages that stand alone."""
