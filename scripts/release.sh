#!/usr/bin/env bash
# Make all that a release is of, in dist/: the wheel and the sdist (both with the shipped bundle), the lock files they
# were made to run with, a software bill of materials of each, and checksums.
#
#   scripts/release.sh [PYTHON]     a Python with glyphery[release]
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:-.venv/bin/python}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
# The same commit gives the same files.
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat --format=%Y pyproject.toml)
fi
export SOURCE_DATE_EPOCH
rm -rf dist
"$python" -m build --outdir dist .
for kind in cpu gpu; do
  cp "requirements/$kind.txt" "dist/glyphery-$version-$kind.txt"
  "$python" -m cyclonedx_py requirements --pyproject pyproject.toml --mc-type application --output-reproducible \
    --spec-version 1.6 --output-format JSON --output-file "dist/glyphery-$version-$kind.cdx.json" "requirements/$kind.txt"
done
(cd dist && sha256sum -- * >SHA256SUMS)
ls -l dist
