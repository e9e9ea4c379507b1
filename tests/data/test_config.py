import pytest

from dinov2.config import parse
from dinov2.data.config import IngestConfig, SourceConfig
from dinov2.errors import ConfigError

POOL = {"name": "web", "uri": "images", "role": "pool"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"sources": [POOL, POOL]}, "two sources are named 'web'"),
        ({"sources": [{**POOL, "role": "curated"}]}, "no source has role: pool"),
        ({"sources": []}, "no source has role: pool"),
        ({"sources": [{**POOL, "role": "train"}]}, "sources.0.role: 'train'"),
        ({"sources": [{**POOL, "name": "My Web"}]}, "sources.0.name: 'My Web'"),
        ({"sources": [{**POOL, "test_fraction": 1}]}, "sources.0.test_fraction: 1"),
        ({"sources": [{**POOL, "url": "x"}]}, "sources.0.url: no such parameter"),
        ({"sources": [POOL], "max_pixels": 10**9}, "max_pixels: 1000000000"),
        ({"sources": [POOL], "filters": [{"kind": "exact"}] * 2}, "two filters of kind 'exact'"),
        ({"sources": [POOL], "filters": [{"kind": "ugly"}]}, "filters.0: Input tag 'ugly'"),
        ({"sources": [POOL], "filters": [{"kind": "perceptual", "bits": 9}]}, "filters.0.perceptual.bits: 9"),
        ({"sources": [POOL], "filters": [{"kind": "nsfw", "model": "m.pt"}]}, "filters.0.nsfw.threshold: missing"),
    ],
)
def test_an_impossible_configuration_is_named(content: dict, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(IngestConfig, content, "params.yaml")
    assert said in str(caught.value)


def test_labelled_images_are_held_out_unless_they_are_the_pool() -> None:
    assert SourceConfig(name="a", uri="a", role="curated").held_out == 0.3
    assert SourceConfig(name="a", uri="a", role="evaluation", test_fraction=0).held_out == 0
    assert SourceConfig(name="a", uri="a", role="pool").held_out == 0
    assert SourceConfig(name="a", uri="a", role="pool", test_fraction=0.1).held_out == 0.1
