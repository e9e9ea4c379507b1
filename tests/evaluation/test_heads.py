import numpy as np
import torch

from dinov2.evaluation.config import LinearConfig
from dinov2.evaluation.heads import mean_loss, predicted, train_heads

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
    together = train_heads(inputs, labels, 4, RATES, SHORT, seed=3)
    for number, rate in enumerate(RATES):
        alone = train_heads(inputs, labels, 4, (rate,), SHORT, seed=3)
        torch.testing.assert_close(together.weight[:, number], alone.weight[:, 0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(together.bias[number], alone.bias[0], rtol=1e-4, atol=1e-5)


def test_training_equals_autograd_sgd_with_cosine():
    inputs, labels = problem(32)
    config = LinearConfig(iterations=40, batch=32)  # a batch is the whole set: its order does not matter
    head = train_heads(inputs, labels, 4, (0.1,), config, seed=5)

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


def test_judging_in_parts_equals_judging_at_once(monkeypatch):
    inputs, labels = problem(50)
    heads = train_heads(inputs, labels, 4, RATES, SHORT, seed=3)
    classes, losses = predicted(heads, inputs), mean_loss(heads, inputs, labels)
    monkeypatch.setattr("dinov2.evaluation.heads.ROWS_AT_ONCE", 7)
    assert torch.equal(predicted(heads, inputs), classes)
    torch.testing.assert_close(mean_loss(heads, inputs, labels), losses)
    logits = heads.logits(inputs).double()
    assert torch.equal(classes, logits.argmax(-1).T)
    for number in range(len(RATES)):
        reference = torch.nn.functional.cross_entropy(logits[:, number], labels)
        torch.testing.assert_close(losses[number], reference, rtol=1e-5, atol=1e-6)
