# docker build -t lstmctl . && docker run --rm -v "$PWD:/work" lstmctl train
FROM python:3.12-slim AS build
WORKDIR /source
COPY . .
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu -c constraints.txt .

FROM python:3.12-slim
RUN useradd --create-home lstmctl
COPY --from=build /venv /venv
USER lstmctl
WORKDIR /work
ENTRYPOINT ["/venv/bin/lstmctl"]
CMD ["--help"]
