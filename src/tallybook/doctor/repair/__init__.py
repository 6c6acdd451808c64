"""Mends a table by a plan that a person can read, and takes all of it back if asked."""
