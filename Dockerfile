FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --create-home --uid 10001 breakwall \
    && install --directory --owner breakwall /home/breakwall/ledger
WORKDIR /home/breakwall

COPY pyproject.toml README.md LICENSE ./
COPY breakwall breakwall
COPY producers producers
COPY worker worker
RUN pip install ".[postgres]" && rm -rf breakwall producers worker

USER breakwall
ENTRYPOINT ["breakwall"]
CMD ["--help"]
