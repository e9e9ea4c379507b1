"""Names on the cluster."""

import random
import re
from dataclasses import replace

from dinov2.launch.job import Job
from dinov2.launch.kubernetes.names import host, job_name, label, port

SERVICE = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
"""What the API server takes as the name of a Service, the strictest of all."""


def job(name: str, key: str = "0123456789abcdef") -> Job:
    return Job(name, "module", (), (), (), key=key)


def any_names() -> list[str]:
    chance = random.Random(0)
    letters = "abzABZ019-_./@ é漢\n"
    words = ["".join(chance.choices(letters, k=chance.randrange(80))) for _ in range(2000)]
    return [*words, "", "-", "7", "a" * 200, "x" * 43 + "--y", "distill@S"]


def test_the_name_of_any_job_is_a_label_that_leaves_room_for_an_index() -> None:
    for each in any_names():
        name = job_name(job(each))
        assert SERVICE.fullmatch(name), each
        assert len(f"{name}-99999") <= 63


def test_any_two_jobs_have_two_names() -> None:
    names = sorted(set(any_names()) | {"S", "s"})
    keys = ["0123456789abcdef", "fedcba9876543210"]
    assert len({job_name(job(name, key)) for name in names for key in keys}) == len(names) * len(keys)


def test_a_name_shows_the_job_and_its_key_where_it_can() -> None:
    assert job_name(job("pretrain")) == "pretrain-0123456789ab"
    assert re.fullmatch(r"s-[0-9a-f]{12}", job_name(job("S")))


def test_only_name_and_key_make_the_name() -> None:
    assert job_name(replace(job("a"), indexes=4, arguments=("x",), stage="b")) == job_name(job("a"))


def test_hosts_ports_and_labels_are_what_the_cluster_takes() -> None:
    assert host("a-1", 3) == "a-1-3.a-1"
    names = [job_name(job(each)) for each in any_names()]
    assert all(20_000 <= port(name) < 30_000 for name in names)
    assert len({port(name) for name in names}) > 1000
    assert all(re.fullmatch(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", label(each)) for each in any_names())
