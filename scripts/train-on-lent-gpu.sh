#!/usr/bin/env bash
# Train on a machine that is lent for minutes and reaches nothing but what it is sent.
#
# Before:  glyphery dataset thin runs/glyphs.db --out runs/thin.db && xz -6 -T0 runs/thin.db   (about 40 MB)
# Send:    this repository, runs/thin.db.xz, wheels of what the machine lacks (freetype-py above all)
# There:   OUT=results scripts/train-on-lent-gpu.sh SECONDS [glyphery train options]
# Again while the machine is kept, with the same options, to go on: the run lies in RUN.
# After:   cat results/bundle.tar.* | tar x      and  glyphery index build, evaluate, here where the fonts are
#
# Needs Python with torch, lightning, onnx, onnxscript, onnxruntime, scipy, typer, rich, fonttools.
set -euo pipefail
seconds=${1:?how many seconds may the training take?}
shift
data=${DATA:-runs/thin.db}
run=${RUN:-/tmp/glyphery-run}
out=${OUT:?where do the results go?}
python=${PYTHON:-python3}
export PYTHONPATH=.${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1

mkdir -p "$out"
[ -f "$data" ] || "$python" -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1] + ".xz"), open(sys.argv[1], "wb"))' "$data"
# What was measured, and with what, comes back even if the rest does not.
"$python" -c 'import torch; print(torch.__version__, torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU")' | tee "$out/machine.txt"
# 124: the time was up; what the last epoch left is exported.
timeout "$seconds" "$python" -m glyphery train --dataset "$data" --out "$run" "$@" >/dev/null || [ $? = 124 ]
cp "$run/run.json" "$run/metrics.jsonl" "$out"
"$python" -m glyphery export "$run/checkpoints/last.ckpt" --dataset "$data" --out "$run/bundle"
"$python" -m glyphery evaluate "$run/bundle" --dataset "$data" --limit 20000 --json > "$out/validation.json"
# In pieces that any channel takes.
tar c -C "$run" bundle | split -b 15M - "$out/bundle.tar."
ls -l "$out"
