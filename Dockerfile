# One image for both templates: their launcher starts a job in it, and the job's workers run in it,
# so that no worker installs anything and the two can't drift apart.
# Built by `make image`; what is installed is pinned with hashes in templates/image.txt, the base
# images by the digests that `make base-images` writes here.

FROM gcr.io/dataflow-templates-base/python311-template-launcher-base:20230622_RC00 AS launcher

FROM apache/beam_python3.11_sdk:2.77.0 AS sdk

# The SDK's own image brings 2 GB of packages that the pipeline does not use.
FROM python:3.11.15-slim-bookworm

COPY --from=launcher /opt/google/dataflow/python_template_launcher /opt/google/dataflow/python_template_launcher
COPY --from=sdk /opt/apache/beam /opt/apache/beam

WORKDIR /template

COPY templates/image.txt ./
RUN pip install --no-cache-dir --no-deps --require-hashes --requirement image.txt

COPY setup.py pyproject.toml requirements.txt README.md LICENSE source/
COPY pipeline source/pipeline
COPY transforms source/transforms
RUN pip install --no-cache-dir --no-deps --no-build-isolation ./source \
    && pip check \
    && rm -r source

COPY templates/launch.py ./

# The image's own name: the launcher tells Dataflow to run the workers in it.
ARG IMAGE=""
# Packages are installed already: the SDK need not make a virtual environment for each job.
ENV FLEX_TEMPLATE_PYTHON_PY_FILE=/template/launch.py \
    GROWTH_PIPELINE_IMAGE=${IMAGE} \
    RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1

# Root, because the launcher writes to /var/log/dataflow and the SDK to /var/opt/google, which Dataflow
# mounts (https://github.com/GoogleCloudPlatform/python-docs-samples/issues/13213).
# The workers' entrypoint; Dataflow starts the launcher by its path.
ENTRYPOINT ["/opt/apache/beam/boot"]
