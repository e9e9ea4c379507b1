"""What is written about models: the page of everything, and of one model a page, Markdown and numbers."""

from dinov2.evaluation.report.model import ModelReport
from dinov2.evaluation.report.overview import ReportFiles, build_report
from dinov2.evaluation.report.written import html, logged, markdown, numbers, plot

__all__ = ["ModelReport", "ReportFiles", "build_report", "html", "logged", "markdown", "numbers", "plot"]
