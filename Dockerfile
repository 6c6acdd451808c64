# Built from the lock files alone; the image that runs holds neither a compiler nor Node.
FROM python:3.11-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN make install \
 && .venv/bin/uv build --wheel --out-dir /built \
 && .venv/bin/uv export --locked --quiet --extra product --no-default-groups --no-emit-project --output-file /built/requirements.txt

FROM python:3.11-slim
RUN --mount=from=build,source=/built,target=/built \
    pip install --no-cache-dir --no-compile --require-hashes --requirement /built/requirements.txt \
 && pip install --no-cache-dir --no-deps /built/*.whl \
 && useradd --system --uid 10001 --create-home --home-dir /var/lib/tallybook tallybook
USER tallybook
WORKDIR /var/lib/tallybook
# A volume is its folder's owner's: of none it would be root's.
RUN mkdir --parents /var/lib/tallybook/data/inbox /var/lib/tallybook/data/media
ENV TALLYBOOK_DATA_DIR=/var/lib/tallybook/data \
    TALLYBOOK_HOST=0.0.0.0 \
    PYTHONUNBUFFERED=1
VOLUME /var/lib/tallybook/data
EXPOSE 8080
# What health says is measured: is the database connected, how fresh are the messages, how far behind are we.
HEALTHCHECK --interval=30s --timeout=20s --start-period=60s --retries=3 CMD ["tallybook", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["tallybook"]
CMD ["run"]
