FROM python:3.13-slim AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/breakwall
WORKDIR /src

# What Breakwall requires, in a layer of its own: a change of the code does not fetch it again.
COPY pyproject.toml ./
RUN python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
print(*project['dependencies'], *(line for extra in ('postgres', 'web') for line in project['optional-dependencies'][extra]), sep='\n')" >requirements.txt \
    && pip --python /opt/breakwall install --requirement requirements.txt

COPY README.md LICENSE ./
COPY breakwall breakwall
COPY producers producers
COPY worker worker
RUN pip --python /opt/breakwall install --no-deps .


FROM python:3.13-slim

# A volume that is mounted on a folder takes over its owner, so the folders for the simulator's ledger and the API's tokens
# are made here.
RUN useradd --create-home --uid 10001 breakwall \
    && install --directory --owner breakwall --group breakwall /home/breakwall/ledger /home/breakwall/tokens
COPY --from=build /opt/breakwall /opt/breakwall
ENV PATH=/opt/breakwall/bin:$PATH PYTHONUNBUFFERED=1

WORKDIR /home/breakwall
# A number, since Kubernetes can tell only of a number that it is not root.
USER 10001:10001
ENTRYPOINT ["breakwall"]
CMD ["--help"]
