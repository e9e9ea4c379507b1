"""From a workspace to a store on S3 and back, against bare s3fs and bare boto3 with multipart transfers.

    python -m benchmarks.transfer s3://bucket/prefix

Keys and endpoint come from the environment. Every round takes each way over new files, one after the other, and the
ratios are of the same round. What is ours computes a SHA-256 of each file at both ends; the others compute none. boto3
transfers as `aws s3 cp --recursive` does: ten threads, parts of 8 MiB.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from boto3.s3.transfer import TransferConfig
from s3fs import S3FileSystem

from dinov2.errors import told_in_one_line
from dinov2.launch.job import Job
from dinov2.launch.kubernetes import exchange
from dinov2.storage import Store

MIB = 2**20
SETS = {"200 of 64 KiB": (200, 65536), "8 of 8 MiB": (8, 8 * MIB), "1 of 256 MiB": (1, 256 * MIB)}
THREADS = 10

Way = tuple[Callable[[list[Path], str], object], Callable[[list[Path], str, Path], object]]
"""Takes files to a folder of the store, and files of these names back into a local folder."""


def bare_s3fs(url: str) -> Way:
    """s3fs with its own defaults, its own way to take many files at once."""
    fs = S3FileSystem(skip_instance_cache=True)
    return (
        lambda files, name: fs.put([str(file) for file in files], [f"{url}/{name}/{file.name}" for file in files]),
        lambda files, name, to: fs.get(
            [f"{url}/{name}/{file.name}" for file in files], [str(to / file.name) for file in files]
        ),
    )


def bare_boto3(url: str) -> Way:
    """boto3's transfer manager."""
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    client, config = boto3.client("s3"), TransferConfig(max_concurrency=THREADS, multipart_chunksize=8 * MIB)

    def send(files: list[Path], name: str) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            for done in [
                pool.submit(client.upload_file, str(file), bucket, f"{prefix}/{name}/{file.name}", Config=config)
                for file in files
            ]:
                done.result()

    def get(files: list[Path], name: str, to: Path) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            for done in [
                pool.submit(client.download_file, bucket, f"{prefix}/{name}/{f.name}", str(to / f.name), Config=config)
                for f in files
            ]:
                done.result()

    return send, get


def ours_alone(url: str) -> Way:
    """`Store`, with as many threads as boto3."""
    store, sums = Store(url), dict[str, str]()

    def send(files: list[Path], name: str) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            found = pool.map(lambda file: store.upload(file, f"{name}/{file.name}"), files)
            sums.update(zip([file.name for file in files], found, strict=True))

    def get(files: list[Path], name: str, to: Path) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda f: store.download(f"{name}/{f.name}", to / f.name, sums[f.name]), files))

    return send, get


def ours_as_a_job(url: str) -> Way:
    """What a launcher does with the files of a job: also asks which are there, and writes what the job is."""
    store = Store(url)

    def send(files: list[Path], name: str) -> None:
        exchange.put(Job(name, "m", (), tuple(files), ()), name, files[0].parent, store)

    return send, lambda _, name, to: exchange.fetch(name, to, store)


WAYS = {"boto3": bare_boto3, "s3fs": bare_s3fs, "Store": ours_alone, "job": ours_as_a_job}


def measured(ways: dict[str, Way], count: int, size: int, folder: Path, name: str) -> dict[str, tuple[float, float]]:
    """MiB/s of each way, to the store and back, over files of its own."""
    rates = {}
    for way, (send, get) in ways.items():
        own, back = folder / f"{name}-{way}", folder / f"{name}-{way}-back"
        own.mkdir()
        back.mkdir()
        files = [own / f"{number:03}" for number in range(count)]
        for file in (*files, *(own / each for each in exchange.ALWAYS)):
            file.write_bytes(os.urandom(size if file in files else 1000))
        started = time.perf_counter()
        send(files, own.name)
        sent = time.perf_counter()
        get(files, own.name, back)
        ended = time.perf_counter()
        assert all((back / file.name).read_bytes() == file.read_bytes() for file in files)
        rates[way] = (count * size / MIB / (sent - started), count * size / MIB / (ended - sent))
    return rates


def main() -> None:
    """Print a line for each set and way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="s3://bucket/prefix")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ways = {name: way(options.url.rstrip("/")) for name, way in WAYS.items()}
    for label, (count, size) in SETS.items():
        with tempfile.TemporaryDirectory() as folder:
            rounds = [measured(ways, count, size, Path(folder), f"{size}-{number}") for number in range(options.rounds)]
        for direction, number in (("to S3", 0), ("from S3", 1)):
            for way in ways:
                rate = statistics.median(each[way][number] for each in rounds)
                against = [[each[way][number] / each[bare][number] for each in rounds] for bare in ("boto3", "s3fs")]
                told = ", ".join(
                    f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) of {bare}"
                    for ratios, bare in zip(against, ("boto3", "s3fs"), strict=True)
                )
                print(f"{label:14} {direction:8} {way:6} {rate:7.1f} MiB/s: {told}", flush=True)


if __name__ == "__main__":
    with told_in_one_line():
        main()
