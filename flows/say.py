"""What a run tells in a sentence: on its terminal, and in its log in Prefect's pages."""

from prefect import get_run_logger


def say(text: str) -> None:
    """Tell it; flows' records go to Prefect alone, so that it is on the terminal once."""
    print(text, flush=True)
    get_run_logger().info("%s", text)
