"""Names of the files that stages read and write, relative to the workspace; dvc.yaml lists the same."""

SOURCES = "data/sources.json"
GIVEN = "data/weights.json"
SETS = "data/sets.json"
MANIFEST = "data/manifest.parquet"
REJECTS = "data/rejects.parquet"
EMBEDDINGS = "data/embeddings.json"
UNIQUE = "data/unique.parquet"
DUPLICATES = "data/duplicates.parquet"
CURATED = "data/curated.parquet"
PACKED = "data/shards.parquet"
REPORT = "reports/index.html"


def metrics(stage: str) -> str:
    """Numbers of a stage, JSON."""
    return f"metrics/{stage}.json"


def evaluation(model: str) -> str:
    """Figures of a model, JSON."""
    return f"metrics/evaluate/{model}.json"


def headlines(model: str) -> str:
    """A model's headline metrics beside its controls', CSV."""
    return f"plots/evaluate/{model}.csv"


def page(model: str) -> str:
    """All results of a model with pictures, HTML."""
    return f"reports/{model}.html"


def results(model: str) -> str:
    """The same as tables, Markdown."""
    return f"reports/{model}.md"


def weights(run: str) -> str:
    """A run's backbone, safetensors."""
    return f"weights/{run}.safetensors"


def training(run: str) -> str:
    """A run's student, average and heads, safetensors, for a later phase."""
    return f"weights/{run}.training.safetensors"


def curve(run: str) -> str:
    """A run's loss curve, CSV."""
    return f"plots/{run}.csv"


def picture(model: str) -> str:
    """PCA of a model's patch features, PNG."""
    return f"reports/pca/{model}.png"


def receipt(model: str) -> str:
    """What was registered of a model, JSON."""
    return f"registry/{model}.json"
