"""The package that Beam's workers install."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
# What workers need of requirements.txt; the rest of it is for launching and for tests.
RUNTIME = (
    "apache-beam[gcp]",
    "duckdb",
    "google-cloud-bigquery",
    "google-cloud-pubsub",
    "numpy",
    "pyarrow",
    "rich",
)


def version() -> str:
    """The version that pipeline/__init__.py states."""
    text = (HERE / "pipeline" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'__version__ = "([^"]+)"', text)
    if found is None:
        raise RuntimeError("pipeline/__init__.py states no __version__")
    return found[1]


def requirements() -> list[str]:
    """The pinned requirements that RUNTIME names."""
    lines = (HERE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.split("==")[0] in RUNTIME]


if __name__ == "__main__":
    setup(
        name="growth-pipeline",
        version=version(),
        description="Raw user events in, eleven growth tables out, on Apache Beam",
        long_description=(HERE / "README.md").read_text(encoding="utf-8"),
        long_description_content_type="text/markdown",
        license="MIT",
        python_requires=">=3.11,<3.12",
        packages=find_packages(include=["pipeline*", "transforms*"]),
        package_data={"pipeline": ["beam_options.json"]},
        install_requires=requirements(),
    )
