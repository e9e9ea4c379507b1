import torch

from dinov2.models import DINOHead


def test_fresh_logits_are_cosines_to_the_prototypes() -> None:
    torch.manual_seed(0)
    head = DINOHead(16, 40, hidden_dim=32, bottleneck_dim=8).double()
    x = torch.randn(5, 16, dtype=torch.float64)
    hidden = head.mlp(x)
    cosines = torch.nn.functional.cosine_similarity(hidden[:, None], head.last_layer.weight_v[None], dim=-1)
    torch.testing.assert_close(head(x), cosines)


def test_the_gain_is_trained() -> None:
    head = DINOHead(16, 40, hidden_dim=32, bottleneck_dim=8)
    head(torch.randn(5, 16)).sum().backward()
    assert head.last_layer.weight_g.grad is not None
    assert head.last_layer.weight_g.grad.abs().min() > 0


def test_one_layer_is_a_linear_map() -> None:
    assert [name for name, _ in DINOHead(16, 4, bottleneck_dim=8, nlayers=1).named_parameters()] == [
        "mlp.0.weight",
        "mlp.0.bias",
        "last_layer.weight_g",
        "last_layer.weight_v",
    ]
