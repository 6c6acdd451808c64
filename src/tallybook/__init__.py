"""Tallybook turns chat into records that can be trusted: every message counted exactly once."""
