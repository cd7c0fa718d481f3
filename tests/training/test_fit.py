from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from glyphs.dataset.store import Dataset
from glyphs.errors import BadCheckpoint, BadInput, GlypheryError
from glyphs.splits import Split
from training.checkpoint import load_checkpoint
from training.fit import find_learning_rate, prepare, train, trainer_options
from training.presets import TINY
from training.warm_start import Start


def test_a_run_leaves_its_configuration_figures_and_checkpoints(tiny_run: Path) -> None:
    assert json.loads((tiny_run / "run.json").read_text())["config"]["batch"] == TINY.batch
    lines = [json.loads(line) for line in (tiny_run / "metrics.jsonl").read_text().splitlines()]
    assert any("val_top1" in line for line in lines)
    assert {file.name for file in (tiny_run / "checkpoints").iterdir()} >= {
        "best.ckpt", "last.ckpt", "epoch-000.ckpt", "epoch-001.ckpt"
    }  # fmt: skip


def test_a_resumed_run_ends_with_the_weights_of_one_that_never_stopped(
    tiny_run: Path, small_dataset: Dataset, tmp_path: Path
) -> None:
    killed = tmp_path / "killed"
    (killed / "checkpoints").mkdir(parents=True)
    shutil.copy(tiny_run / "run.json", killed)
    shutil.copy(tiny_run / "checkpoints" / "epoch-000.ckpt", killed / "checkpoints" / "last.ckpt")
    train(small_dataset.path, killed, TINY, progress=False)
    whole = torch.load(tiny_run / "checkpoints" / "last.ckpt", weights_only=True)
    resumed = torch.load(killed / "checkpoints" / "last.ckpt", weights_only=True)
    assert whole["global_step"] == resumed["global_step"] == 4
    for name, tensor in whole["state_dict"].items():
        assert torch.equal(tensor, resumed["state_dict"][name]), name


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_gradients_are_clipped_for_a_fused_optimiser(small_dataset: Dataset, precision: str) -> None:
    seen: list[float] = []

    class Watch(Callback):
        def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
            assert trainer.optimizers[0].defaults["fused"]
            seen.append(
                float(torch.stack([p.grad.norm() for p in module.parameters() if p.grad is not None]).norm())
            )

    config = replace(TINY, clip=0.01, precision=precision)  # type: ignore[arg-type]
    data, module = prepare(small_dataset.path, config, None)
    trainer = Trainer(
        max_steps=2, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        callbacks=[Watch()], **trainer_options(config),
    )  # fmt: skip
    trainer.fit(module, data)
    assert seen == pytest.approx([0.01, 0.01], rel=0.01)


def test_a_folder_of_another_run_is_left_alone(tiny_run: Path, small_dataset: Dataset) -> None:
    with pytest.raises(BadInput, match="another configuration"):
        train(small_dataset.path, tiny_run, replace(TINY, seed=1), progress=False)


def test_a_checkpoint_alone_with_its_run_gives_the_model_back(tiny_run: Path) -> None:
    trained = load_checkpoint(tiny_run)
    assert trained.config == TINY
    assert trained.model.classifier.out_features == len(trained.vocabulary.labels)
    assert not trained.model.training


# Everything that draws from a generator: distortions, mixing, drop path; and averaged weights.
_LIVELY = [
    "--preset=tiny", "--model=vit_tiny", "--set=size=32", "--set=box=28", "--set=batch=16",
    "--set=samples=96", "--set=epoch_samples=32", "--set=ema=0.9", "--set=mixing.mixup=0.8",
    "--set=options.drop_path=0.3", "--set=accumulate=2",
]  # fmt: skip


def _glyphery(*arguments: object) -> list[str]:
    return [str(Path(sys.executable).parent / "glyphery"), *map(str, arguments)]


def _weights(run: Path) -> dict[str, torch.Tensor]:
    content = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    weights: dict[str, torch.Tensor] = content["state_dict"]
    return weights


@pytest.mark.parametrize("workers", [0, 1])
def test_a_run_killed_and_started_again_ends_with_the_weights_of_one_never_killed(
    small_dataset: Dataset, tmp_path: Path, workers: int
) -> None:
    def command(name: str) -> list[str]:
        return _glyphery(
            "train", "--dataset", small_dataset.path, "--out", tmp_path / name, *_LIVELY,
            f"--set=workers={workers}",
        )  # fmt: skip

    subprocess.run(command("whole"), check=True, capture_output=True)
    with subprocess.Popen(command("killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        while not (tmp_path / "killed" / "checkpoints" / "last.ckpt").exists():
            assert running.poll() is None
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
    assert running.returncode == -signal.SIGKILL
    subprocess.run(command("killed"), check=True, capture_output=True)
    whole, killed = _weights(tmp_path / "whole"), _weights(tmp_path / "killed")
    assert whole.keys() == killed.keys()
    for name, tensor in whole.items():
        assert torch.equal(tensor, killed[name]), name


def _steps(run: Path) -> int:
    return int(torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"])


def test_two_runs_do_not_share_a_folder_and_one_that_was_killed_is_no_hindrance(
    small_dataset: Dataset, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    long = ("--set=samples=1e6", "--set=epoch_samples=1e6", "--set=workers=1")
    command = _glyphery("train", "--dataset", small_dataset.path, "--out", run, *_LIVELY, *long)
    config = replace(
        TINY, model="vit_tiny", size=32, box=28, batch=8, samples=8, epoch_samples=8, validation_samples=8
    )
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            while not (run / "metrics.jsonl").exists() or not (run / "metrics.jsonl").read_bytes():
                assert running.poll() is None
                time.sleep(0.01)
            with pytest.raises(BadInput, match="Another process trains"):
                train(small_dataset.path, run, config, progress=False)
        finally:
            running.kill()
    assert train(small_dataset.path, run, config, progress=False).exists()
    assert sorted(file.name for file in run.iterdir()) == ["checkpoints", "metrics.jsonl", "run.json"]


def test_a_run_that_falls_apart_says_so_and_leaves_no_checkpoint(
    small_dataset: Dataset, tmp_path: Path
) -> None:
    config = replace(TINY, model="vit_tiny", size=32, box=28, batch=16, learning_rate=1e30)
    with pytest.raises(GlypheryError, match="fell apart") as failed:
        train(small_dataset.path, tmp_path / "run", config, progress=False)
    assert "learning_rate" in failed.value.remedy
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.parametrize("left", [0, 1000, -1000])
def test_a_broken_checkpoint_is_not_gone_on_from_and_the_remedy_works(
    tiny_run: Path, small_dataset: Dataset, tmp_path: Path, left: int
) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    last = run / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:left])
    with pytest.raises(BadCheckpoint, match=r"last.ckpt is no usable checkpoint.*epoch-\*.ckpt"):
        train(small_dataset.path, run, TINY, progress=False)
    shutil.copy(run / "checkpoints" / "epoch-001.ckpt", last)
    assert train(small_dataset.path, run, TINY, progress=False).exists()


def test_a_checkpoint_without_an_optimiser_is_not_gone_on_from(
    tiny_run: Path, small_dataset: Dataset, tmp_path: Path
) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    last = run / "checkpoints" / "last.ckpt"
    content = torch.load(last, weights_only=True)
    del content["optimizer_states"]
    torch.save(content, last)
    with pytest.raises(BadCheckpoint, match="it has no optimizer_states"):
        train(small_dataset.path, run, TINY, progress=False)


def test_two_processes_that_share_a_batch_take_the_steps_of_one(
    small_dataset: Dataset, tmp_path: Path
) -> None:
    # How a glyph is distorted depends on what it is drawn together with; which glyphs there are does not.
    still = [
        f"--set=augmentation.{name}=0"
        for name in ("rotation", "slant", "aspect", "weight", "jitter", "shrink", "degrade", "hide_metrics",
                     "metrics_noise")
    ]  # fmt: skip
    for devices in (1, 2):
        subprocess.run(
            _glyphery(
                "train", *still, "--dataset", small_dataset.path, "--out", tmp_path / str(devices),
                "--preset=tiny",
                "--model=vit_tiny", "--set=size=32", "--set=box=28", "--set=batch=16", "--set=samples=48",
                "--set=epoch_samples=48", "--set=options.drop_path=0", "--set=precision=32-true",
                "--set=learning_rate=1e-4", f"--set=devices={devices}",
            ),
            check=True, capture_output=True,
        )  # fmt: skip
    one, two = _weights(tmp_path / "1"), _weights(tmp_path / "2")
    for name, tensor in one.items():
        assert torch.allclose(tensor, two[name], atol=2e-5), name


def test_accumulating_the_rate_falls_to_the_end_and_all_samples_count(
    small_dataset: Dataset, tmp_path: Path
) -> None:
    config = replace(
        TINY, model="vit_tiny", size=32, box=28, batch=4, samples=24, epoch_samples=12, accumulate=2,
        validation_samples=8,
    )  # fmt: skip
    train(small_dataset.path, tmp_path / "run", config, progress=False)
    for name, samples, share in (("epoch-000", 12, 0.5), ("last", 24, 0.0)):
        checkpoint = tmp_path / "run" / "checkpoints" / f"{name}.ckpt"
        assert load_checkpoint(checkpoint).samples == samples
        [scheduler] = torch.load(checkpoint, weights_only=True)["lr_schedulers"]
        assert scheduler["_last_lr"][0] == pytest.approx(share * config.learning_rate, abs=1e-9)


def test_a_run_stops_when_validation_stands_still(small_dataset: Dataset, tmp_path: Path) -> None:
    config = replace(
        TINY, model="vit_tiny", size=32, box=28, batch=16, samples=16 * 30, epoch_samples=16, patience=2,
        learning_rate=1e-9, schedule="plateau",
    )  # fmt: skip
    best = train(small_dataset.path, tmp_path / "run", config, progress=False)
    steps = _steps(tmp_path / "run")
    assert steps < 30
    assert train(small_dataset.path, tmp_path / "run", config, progress=False) == best
    assert _steps(tmp_path / "run") == steps  # and goes on no further when it is asked for again


def test_averaged_weights_are_saved_and_differ_from_the_last_step(
    small_dataset: Dataset, tmp_path: Path
) -> None:
    config = replace(TINY, model="residual_cnn", size=32, box=28, ema=0.99)
    train(small_dataset.path, tmp_path / "run", config, progress=False)
    content = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    name = "model.classifier.weight"
    assert not torch.equal(content["state_dict"][name], content["current_model_state"][name])
    # Forgets its start: after four steps the average lies nearer to the last step than to a fresh model.
    variance = "model.backbone.stem.1.running_var"
    average, current = content["state_dict"][variance], content["current_model_state"][variance]
    assert (average - current).abs().mean() < (average - 1.0).abs().mean()


def test_the_learning_rate_finder_suggests_a_rate_and_draws_its_search(
    small_dataset: Dataset, tmp_path: Path
) -> None:
    config = replace(TINY, model="vit_tiny", size=32, box=28, batch=16)
    rate = find_learning_rate(small_dataset.path, config, tmp_path / "rate.png", steps=40)
    assert 1e-6 < rate < 1.0
    assert (tmp_path / "rate.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_of_no_kind_is_refused_before_the_search(small_dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no kind of picture"):
        find_learning_rate(small_dataset.path, TINY, tmp_path / "rate.txt")


def test_what_is_trained_or_searched_starts_from_the_weights_it_is_given(
    tiny_run: Path, small_dataset: Dataset
) -> None:
    trained = load_checkpoint(tiny_run)
    start = Start(trained.model, trained.vocabulary.classes)
    _, module = prepare(small_dataset.path, TINY, start=start)
    assert torch.equal(module.model.classifier.weight, trained.model.classifier.weight)


def test_a_run_whose_favoured_families_are_others_by_now_is_not_gone_on_with(
    small_dataset: Dataset, tmp_path: Path
) -> None:
    first, second = sorted(name for _, name, split, _ in small_dataset.families() if split is Split.TRAIN)[:2]
    named = tmp_path / "families.txt"
    config = replace(
        TINY, model="vit_tiny", size=32, box=28, batch=8, samples=8, epoch_samples=8, validation_samples=8,
        favoured=str(named),
    )  # fmt: skip
    named.write_text(f"{first}\n")
    assert train(small_dataset.path, tmp_path / "run", config, progress=False).exists()
    named.write_text(f"{second}\n")
    with pytest.raises(BadInput, match="another configuration"):
        train(small_dataset.path, tmp_path / "run", config, progress=False)
    named.write_text(f"{first}\tas before\n")
    assert train(small_dataset.path, tmp_path / "run", config, progress=False).exists()


def test_a_folder_without_a_checkpoint_takes_another_configuration_and_a_file_none(
    small_dataset: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "run.json").write_text("")
    config = replace(
        TINY, model="vit_tiny", size=32, box=28, batch=8, samples=8, epoch_samples=8, validation_samples=8
    )
    assert train(small_dataset.path, tmp_path, config, progress=False).exists()
    (tmp_path / "run.json").write_text("")
    for run, said in ((tmp_path, "another configuration"), (tmp_path / "run.json", "is a file")):
        with pytest.raises(BadInput, match=said):
            train(small_dataset.path, run, config, progress=False)


def test_bfloat16_is_chosen_only_where_the_processor_computes_it() -> None:
    flags = Path("/proc/cpuinfo")
    if not flags.exists() or torch.cuda.is_available():
        pytest.skip("what the processor can do is read from Linux's /proc/cpuinfo")
    computed = {"avx512_bf16", "amx_bf16", "bf16"} & set(flags.read_text().split())
    assert trainer_options(TINY)["precision"] == ("bf16-mixed" if computed else "32-true")
