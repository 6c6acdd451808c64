"""Reads the statements with ON CONFLICT out of a source tree: Python, JavaScript and TypeScript, SQL."""
