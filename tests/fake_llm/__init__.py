"""A language model's endpoint on this machine."""
