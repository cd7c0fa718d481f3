#!/usr/bin/env bash
# Does `pip install glyphery && glyphery serve` answer, in an empty environment, from an empty folder?
#
#   scripts/check-wheel.sh [WHEEL]     dist/glyphery-*.whl, which `make release` makes
#
# PYTHON  makes the environment (python3)
# PORT    to serve on (18070)
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
wheel=$(realpath "${1:-"$(echo "$here"/dist/glyphery-*.whl)"}")
port=${PORT:-18070}
work=$(mktemp -d)
server=''
finish() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
unset PYTHONPATH
export XDG_STATE_HOME=$work/state

"${PYTHON:-python3}" -m venv "$work/venv"
began=$(date +%s)
"$work/venv/bin/pip" install --quiet --disable-pip-version-check "$wheel"
echo "installed in $(($(date +%s) - began)) s: $(du -sm "$work/venv" | cut -f1) MiB, $("$work/venv/bin/pip" list 2>/dev/null | tail -n +3 | wc -l) packages"
mkdir "$work/empty"
cd "$work/empty"
"$work/venv/bin/glyphery" --version
! "$work/venv/bin/python" -c 'import torch' 2>/dev/null || { echo "torch came along" >&2; exit 1; }
began=$(date +%s%N)
"$work/venv/bin/glyphery" serve --port "$port" 2>"$work/log" &
server=$!
until "$work/venv/bin/python" -c "import urllib.request as r; r.urlopen('http://127.0.0.1:$port/readyz')" 2>/dev/null; do
  kill -0 "$server" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
  sleep 0.1
done
echo "ready in $((($(date +%s%N) - began) / 1000000)) ms"
"$work/venv/bin/glyphery" classify "$here/docs/ain-initial.png" --server "http://127.0.0.1:$port" -k 1 --json | tee "$work/answer"
grep --quiet 1593_init "$work/answer"
kill -TERM "$server"
wait "$server"
server=''
echo "ended well"
