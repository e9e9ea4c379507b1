"""Retrieval and copies: queries, a database, and what is to be found in it."""
