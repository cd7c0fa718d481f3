# Two images from one file:
#
#   docker build --tag glyphery .                              the service on the CPU
#   docker build --tag glyphery:gpu --target gpu .             on a GPU through CUDA, and on the CPU without one
#
# Behind a package registry of your own: --secret id=pip,src=$HOME/.config/pip/pip.conf. It is mounted while
# packages are installed and stays in no layer. For builds that shall be the same in a year, name the base by its
# digest: --build-arg BASE=debian:bookworm-slim@sha256:...
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BASE} AS python
# Debian's stable release has one version of python3 at a time; the base's digest is what pins it.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 \
 && rm -rf /var/lib/apt/lists/*


# Makes environments for others to copy; has no compiler either, for everything comes as wheels.
FROM python AS builder
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3-pip python3-venv \
 && rm -rf /var/lib/apt/lists/*
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# Without pip: nothing is installed into what runs.
RUN python3 -m venv --without-pip /opt/glyphery
WORKDIR /build


FROM builder AS wheel
COPY requirements/build.txt requirements/
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 -m venv /opt/build \
 && /opt/build/bin/pip install --require-hashes --only-binary :all: --requirement requirements/build.txt
COPY . .
RUN /opt/build/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /wheels .


FROM builder AS cpu-environment
COPY requirements/cpu.txt requirements/
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    pip --python /opt/glyphery/bin/python install \
      --require-hashes --only-binary :all: --requirement requirements/cpu.txt
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip --python /opt/glyphery/bin/python install --no-index --no-deps /wheels/*.whl


FROM builder AS gpu-environment
COPY requirements/gpu.txt requirements/
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    pip --python /opt/glyphery/bin/python install \
      --require-hashes --only-binary :all: --requirement requirements/gpu.txt
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip --python /opt/glyphery/bin/python install --no-index --no-deps /wheels/*.whl


# What both images are besides their packages.
FROM python AS service
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /var/lib/glyphery glyphery \
 && install --directory --owner glyphery --group glyphery --mode 0700 /var/lib/glyphery
# It listens for others, and therefore starts only with keys (GLYPHERY_KEYS), or where somebody says that anybody
# may ask (GLYPHERY_OPEN_ACCESS=true).
ENV PATH=/opt/glyphery/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    XDG_STATE_HOME=/var/lib \
    GLYPHERY_HOST=0.0.0.0 \
    GLYPHERY_PORT=8000 \
    GLYPHERY_LOG_FORMAT=json
# Jobs. All else that is written goes to /tmp: the root may be read-only, with a tmpfs there.
VOLUME /var/lib/glyphery
WORKDIR /
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-Ic", \
    "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"GLYPHERY_PORT\"]}/healthz', timeout=4)"]
ENTRYPOINT ["glyphery"]
CMD ["serve"]
LABEL org.opencontainers.image.title="Glyphery" \
      org.opencontainers.image.description="Recognises glyphs: which character and form a picture shows" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.documentation="docs/DEPLOYMENT.md"


FROM service AS gpu
COPY --from=gpu-environment /opt/glyphery /opt/glyphery
# On a host without a GPU the models run on the CPU, and /readyz and the log say so; cuda would refuse to start.
# TensorRT's libraries are looked for where a mount may bring them: docs/DEPLOYMENT.md.
ENV GLYPHERY_DEVICE=auto \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    LD_LIBRARY_PATH=/opt/tensorrt/lib
ARG VERSION=0+unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${REVISION}"


FROM service AS cpu
COPY --from=cpu-environment /opt/glyphery /opt/glyphery
ARG VERSION=0+unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${REVISION}"
