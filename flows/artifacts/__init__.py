"""What a run leaves in Prefect's pages: progress, Markdown, tables, pictures. None of it is a reason for it to fail."""

from flows.artifacts.summary import summary

__all__ = ["summary"]
