#!/usr/bin/env bash
# The service on a GPU beside the bare recogniser, in one run on one machine:
#
#   scripts/measure-on-gpu.sh [DEVICE] [IMAGES]     cuda, 20000; DEVICE cpu tries the script itself
#
# Prints JSON: what the models run on, as /readyz and /metrics tell it; images/s of the bare recogniser for several
# batches; images/s of /classify/batch for several numbers of callers; and their ratio. Where DEVICE is cuda and
# cannot be had, the service refuses to start, and so does this.
#
# PYTHON  a Python that has glyphery, and onnxruntime-gpu in the place of onnxruntime (requirements/gpu.txt)
# SETTINGS  more settings of the service: "--set executors=8 --set max_batch=128"
set -euo pipefail
cd "$(dirname "$0")/.."
device=${1:-cuda}
images=${2:-20000}
python=${PYTHON:-.venv/bin/python}
port=${PORT:-18090}
log=$(mktemp)
# One process, as on a GPU: more would share it. Readers of pictures are what the processors are for.
OMP_NUM_THREADS=1 "$python" -m glyphery serve --port "$port" --device "$device" --processes 1 \
  --set executors="$(nproc)" --set max_batch=64 --set max_waiting=4096 --set access_log=false \
  --set jobs= ${SETTINGS:-} 2>"$log" &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -f "$log"' EXIT
until "$python" -c "import urllib.request as r; r.urlopen('http://127.0.0.1:$port/readyz')" 2>/dev/null; do
  kill -0 "$server" 2>/dev/null || { cat "$log" >&2; exit 1; }
  sleep 0.2
done
"$python" -m benchmarks.on_device --server "http://127.0.0.1:$port" --device "$device" --images "$images"
cat "$log" >&2
