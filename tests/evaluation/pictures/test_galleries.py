import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dinov2.evaluation.pictures.galleries import ANSWERS, PAIRS, SHOWN, counts, duplicates, keys_of, retrievals, spread


@pytest.fixture
def curated(tmp_path):
    def write(rows):
        fields = [("key", pa.string()), ("query", pa.string()), ("similarity", pa.float32()), ("cluster", pa.int32())]
        table = pa.Table.from_pylist(rows, schema=pa.schema(fields))
        pq.write_table(table, tmp_path / "curated.parquet")
        return tmp_path / "curated.parquet"

    return write


def test_spread_takes_both_ends_and_each_place_once():
    assert spread(5, 12) == [0, 1, 2, 3, 4]
    assert spread(100, 3) == [0, 50, 99]
    assert spread(0, 3) == []


def test_duplicates_span_the_range_of_similarity_for_each_reason(tmp_path):
    rows = [
        {"key": f"pool/{n:03}", "kept_key": "pool/x" if n % 2 else None, "similarity": 1 - n / 1000, "reason": reason}
        for n in range(100)
        for reason in ("evaluation", "self")
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "duplicates.parquet")
    copies, held_out = duplicates(tmp_path / "duplicates.parquet")
    assert (copies.title, held_out.title) == ("copies of each other", "copies of images held out for evaluation")
    assert copies.count == held_out.count == 100
    assert len(copies.pairs) == PAIRS
    assert copies.pairs[0].removed == "pool/000"
    assert copies.pairs[0].kept is None
    assert copies.pairs[-1].removed == "pool/099"
    assert copies.pairs[-1].kept == "pool/x"


def test_answers_stand_beside_their_query_nearest_first(curated):
    rows = [{"key": f"pool/{n}", "query": "trusted/a", "similarity": n / 10, "cluster": None} for n in range(7)]
    path = curated([*rows, {"key": "trusted/a", "query": None, "similarity": None, "cluster": None}])
    (only,) = retrievals(path, "query")
    assert only.query == "trusted/a"
    assert [key for key, _ in only.found] == ["pool/6", "pool/5", "pool/4", "pool/3"]
    assert only.found[0][1] == pytest.approx(0.6)
    assert retrievals(path, "cluster") == []


def test_clusters_have_no_query(curated):
    rows = [{"key": f"pool/{n:02}", "query": None, "similarity": None, "cluster": n % 20} for n in range(99)]
    found = retrievals(curated(rows), "cluster")
    assert len(found) == SHOWN
    assert found[0].query is None
    assert found[0].found == [(f"pool/{n:02}", None) for n in (0, 20, 40, 60)][:ANSWERS]


def test_keys_of_the_galleries_are_all_that_is_shown(curated):
    brought = retrievals(curated([{"key": "pool/1", "query": "q/1", "similarity": 0.5, "cluster": None}]), "query")
    assert keys_of([], brought) == ["q/1", "pool/1"]


def test_counts_begin_with_the_most_frequent(tmp_path):
    pq.write_table(pa.table({"reason": ["b", "a", "c", "c"]}), tmp_path / "rejects.parquet")
    assert counts(tmp_path / "rejects.parquet", "reason") == [("c", 2), ("a", 1), ("b", 1)]
