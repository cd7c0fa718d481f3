#!/usr/bin/env bash
# Train on a machine that is lent for minutes and reaches nothing but what it is sent.
#
# Before:  glyphery dataset thin runs/glyphs.db --out runs/thin.db --styles 3 && xz -6 -T0 runs/thin.db
# Send:    this repository (bundles/ can stay), runs/thin.db.xz, wheels of what the machine lacks (freetype-py)
# There:   OUT=results RUN=/tmp/accurate scripts/train-on-lent-gpu.sh SECONDS [glyphery train options]
# Again while the machine is kept, with the same options, to go on: the run lies in RUN.
# After:   cat results/accurate.ckpt.* > runs/accurate.ckpt, and `glyphery export runs/accurate.ckpt` here,
#          where there is time and the fonts are
#
# DATA  the dataset, runs/thin.db, or where its .xz lies
# RUN   the run's folder; what comes back has its name
# Needs Python with torch, lightning, scipy, scikit-image, typer, rich, fonttools.
set -euo pipefail
seconds=${1:?how many seconds may the training take?}
shift
data=${DATA:-runs/thin.db}
run=${RUN:-/tmp/glyphery-run}
out=${OUT:?where do the results go?}
python=${PYTHON:-python3}
name=$(basename "$run")
export PYTHONPATH=.${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1

mkdir -p "$out"
[ -f "$data" ] || "$python" -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1] + ".xz"), open(sys.argv[1], "wb"))' "$data"
# 124: the time was up; what the last epoch left comes back.
timeout "$seconds" "$python" -m glyphery train --dataset "$data" --out "$run" "$@" >/dev/null || [ $? = 124 ]
cp "$run/run.json" "$out/$name.json"
cp "$run/metrics.jsonl" "$out/$name.jsonl"
# Without the optimiser, matrices as float16: a fifth. In pieces that any channel takes.
"$python" - "$run/checkpoints/last.ckpt" <<'END' | split -b 15M - "$out/$name.ckpt."
import sys, torch
whole = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
weights = {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in whole["state_dict"].items()}
torch.save({**{key: whole[key] for key in ("glyphery", "global_step")}, "state_dict": weights}, sys.stdout.buffer)
END
ls -l "$out"
