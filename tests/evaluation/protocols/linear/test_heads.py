import numpy as np
import pytest
import torch

from dinov2.evaluation.protocols.linear.config import LinearConfig
from dinov2.evaluation.protocols.linear.heads import mean_loss, predicted, train_heads

CPU = torch.device("cpu")
RATES = (0.02, 0.1, 0.5)
SHORT = LinearConfig(iterations=60, batch=32)


def problem(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs (count, 24) of four overlapping clusters, and the number of the cluster."""
    generator = np.random.default_rng(0)
    centres, labels = generator.normal(size=(4, 24)), generator.integers(0, 4, count)
    inputs = centres[labels] + 1.6 * generator.normal(size=(count, 24))
    return torch.from_numpy(inputs.astype(np.float32)), torch.from_numpy(labels)


def test_heads_trained_together_equal_heads_trained_alone():
    inputs, labels = problem(90)
    (together,) = train_heads(inputs, labels, 4, RATES, SHORT, 3, CPU)
    for number, rate in enumerate(RATES):
        (alone,) = train_heads(inputs, labels, 4, (rate,), SHORT, 3, CPU)
        torch.testing.assert_close(together.weight[:, number], alone.weight[:, 0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(together.bias[number], alone.bias[0], rtol=1e-4, atol=1e-5)


def test_training_equals_autograd_sgd_with_cosine():
    inputs, labels = problem(32)
    config = LinearConfig(iterations=40, batch=32)  # a batch is the whole set: its order does not matter
    (head,) = train_heads(inputs, labels, 4, (0.1,), config, 5, CPU)

    layer = torch.nn.Linear(24, 4)
    start = torch.empty(24, 4).normal_(std=0.01, generator=torch.Generator().manual_seed(5))
    layer.weight.data, layer.bias.data = start.T.contiguous(), torch.zeros(4)
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9, weight_decay=0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 40, eta_min=0)
    for _ in range(40):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(layer(inputs), labels).backward()
        optimiser.step()
        schedule.step()
    torch.testing.assert_close(head.weight[:, 0], layer.weight.data.T, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(head.bias[0], layer.bias.data, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("limit", "most"), [("ROWS_AT_ONCE", 7), ("LOGITS_AT_ONCE", 5 * len(RATES) * 4)])
def test_judging_in_parts_equals_judging_at_once(limit, most, monkeypatch):
    inputs, labels = problem(50)
    (heads,) = train_heads(inputs, labels, 4, RATES, SHORT, 3, CPU)
    classes, losses = predicted(heads, inputs), mean_loss(heads, inputs, labels)
    monkeypatch.setattr(f"dinov2.evaluation.protocols.linear.heads.{limit}", most)
    assert torch.equal(predicted(heads, inputs), classes)
    torch.testing.assert_close(mean_loss(heads, inputs, labels), losses)
    logits = heads.logits(inputs).double()
    assert torch.equal(classes, logits.argmax(-1).T)
    for number in range(len(RATES)):
        reference = torch.nn.functional.cross_entropy(logits[:, number], labels)
        torch.testing.assert_close(losses[number], reference, rtol=1e-5, atol=1e-6)


def test_heads_on_some_columns_equal_heads_that_are_given_these_alone():
    inputs, labels = problem(90)
    readings = (slice(0, 24), slice(6, 18))
    for columns, found in zip(readings, train_heads(inputs, labels, 4, RATES, SHORT, 3, CPU, readings), strict=True):
        (alone,) = train_heads(inputs[:, columns], labels, 4, RATES, SHORT, 3, CPU)
        torch.testing.assert_close(found.weight, alone.weight, rtol=1e-4, atol=1e-5)
        assert torch.equal(predicted(found, inputs), predicted(alone, inputs[:, columns]))


def test_features_in_half_precision_are_computed_with_in_single():
    inputs, labels = problem(90)
    half = inputs.half()
    (found,), (expected,) = (train_heads(each, labels, 4, RATES, SHORT, 3, CPU) for each in (half, half.float()))
    assert torch.equal(found.weight, expected.weight)
    assert torch.equal(mean_loss(found, half, labels), mean_loss(expected, half.float(), labels))


def test_only_the_inputs_named_teach():
    inputs, labels = problem(90)
    named = torch.arange(0, 90, 2)
    (expected,) = train_heads(inputs[named], labels[named], 4, RATES, SHORT, 3, CPU)
    inputs[1::2] = float("nan")
    (found,) = train_heads(inputs, labels, 4, RATES, SHORT, 3, CPU, among=named)
    assert torch.equal(found.weight, expected.weight)


def test_training_in_bf16_keeps_weights_in_fp32_and_ends_close_by(monkeypatch):
    inputs, labels = problem(600)
    config = LinearConfig(iterations=300, batch=64)
    (single,) = train_heads(inputs, labels, 4, RATES, config, 3, CPU)
    monkeypatch.setattr("dinov2.evaluation.protocols.linear.heads.BF16_ON", ("cpu",))
    (half,) = train_heads(inputs, labels, 4, RATES, config, 3, CPU)
    assert half.weight.dtype == half.bias.dtype == torch.float32
    assert not torch.equal(half.weight, single.weight)
    torch.testing.assert_close(mean_loss(half, inputs, labels), mean_loss(single, inputs, labels), rtol=0.01, atol=0)
    agreement = (predicted(half, inputs) == predicted(single, inputs)).double().mean(1)
    assert (agreement > 0.97).all()


def test_an_answer_is_one_of_those_allowed():
    inputs, labels = problem(90)
    (heads,) = train_heads(inputs, labels, 4, RATES, SHORT, 3, CPU)
    allowed = torch.tensor([1, 3])
    scores = heads.logits(inputs).double()
    expected = torch.where(scores[..., 1] >= scores[..., 3], 1, 3).T
    assert torch.equal(predicted(heads, inputs, allowed), expected)
