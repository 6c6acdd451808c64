"""Slack's own framework between what Slack tells us and what is done about it, over HTTP and over sockets."""
