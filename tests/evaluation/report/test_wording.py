import pytest

from dinov2.evaluation.report import wording


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", "accuracy"),
        ("accuracy_5", "accuracy 5"),
        ("map_revisited_hard", "mAP revisited hard"),
        ("recall_at_10_all", "recall@10 all"),
        ("micro_ap", "micro-AP"),
        ("miou", "mIoU"),
        ("delta_2", "δ2"),
        ("abs_rel", "AbsRel"),
        ("accuracy_mapped", "accuracy mapped"),
    ],
)
def test_metrics_are_written_as_papers_have_them(name, expected):
    assert wording.metric(name) == expected
