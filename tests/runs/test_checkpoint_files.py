"""Checkpoints: what was written can be read, and damaged, foreign or hostile files are refused by name."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import pickle
import random
import shutil
import struct
import tracemalloc
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from lstmctl.errors import ResourceError, RunError
from lstmctl.runs.checkpoint_files import FORMAT, Snapshot, read_checkpoint, read_contents
from lstmctl.runs.checkpoints import Checkpoints
from lstmctl.runs.folder import RunFolder

NAMES = ("weights.safetensors", "averaged.safetensors", "state.safetensors", "state.json", "manifest.json")


def snapshot_of(step: int, *, width: int = 40, averaged: bool = True) -> Snapshot:
    draw = torch.Generator().manual_seed(step)
    weights = {
        "layer.weight": torch.randn(width, width, generator=draw),
        "layer.bias": torch.randn(width, generator=draw),
    }
    return Snapshot(
        step=step,
        weights=weights,
        averaged={name: weight / 2 for name, weight in weights.items()} if averaged else None,
        state={"optimizer/0/step": torch.tensor(float(step)), "carried/0/0": torch.ones(2, 3, dtype=torch.float64)},
        progress={"units": step * 64, "best": 1.25, "logs": {"metrics.jsonl": 10 * step}},
    )


def assert_same(a: Snapshot, b: Snapshot) -> None:
    assert (a.step, a.progress, a.averaged is None) == (b.step, b.progress, b.averaged is None)
    for ours, theirs in ((a.weights, b.weights), (a.averaged or {}, b.averaged or {}), (a.state, b.state)):
        assert ours.keys() == theirs.keys()
        for name in ours:
            assert ours[name].dtype == theirs[name].dtype
            assert torch.equal(ours[name], theirs[name])


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    run = tmp_path / "run"
    run.mkdir()
    return Checkpoints(run)


@pytest.fixture
def one(checkpoints: Checkpoints) -> Path:
    """The folder of a single checkpoint."""
    return checkpoints.write(snapshot_of(3), best=True)


def seal(folder: Path, **changed: Any) -> None:
    """Write a manifest that matches the current files, as an attacker would."""
    files = {
        name: {
            "bytes": (folder / name).stat().st_size,
            "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
        }
        for name in NAMES[:-1]
        if (folder / name).exists()
    }
    write_manifest(folder, {"format": FORMAT, "files": files, **changed})


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")


def replace_bytes(path: Path, content: bytes) -> None:
    """Put other bytes at a path without reaching through a hard link to the same file elsewhere."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize("averaged", [True, False])
def test_what_is_written_is_read(checkpoints: Checkpoints, averaged: bool) -> None:
    written = snapshot_of(7, averaged=averaged)
    path = checkpoints.write(written, best=True)
    assert path == checkpoints.run / "checkpoints/step-7"
    assert {file.name for file in path.iterdir()} == set(NAMES) - (set() if averaged else {"averaged.safetensors"})
    for name in ("last", "best", "previous"):
        assert_same(Checkpoints(checkpoints.run).read(name), written)
    for name in ("last", "best"):
        for_people = load_file(checkpoints.run / f"{name}.safetensors")
        assert torch.equal(for_people["layer.weight"], written.best_weights["layer.weight"])


def test_pointers_move_and_what_none_names_is_dropped(checkpoints: Checkpoints) -> None:
    seen = []
    for step, best in ((0, False), (5, True), (10, False), (15, False), (20, True), (25, False)):
        checkpoints.write(snapshot_of(step), best=best)
        kept = sorted(int(path.name.removeprefix("step-")) for path in checkpoints.folder.glob("step-*"))
        pointers = checkpoints.pointers()
        assert kept == sorted(set(pointers.values()))
        seen.append((pointers["last"], pointers["previous"], pointers["best"]))
    assert seen == [(0, 0, 0), (5, 0, 5), (10, 5, 5), (15, 10, 5), (20, 15, 20), (25, 20, 20)]
    best = load_file(checkpoints.run / "best.safetensors")
    assert torch.equal(best["layer.bias"], checkpoints.read("best").best_weights["layer.bias"])
    assert checkpoints.read("best").step == 20


def test_a_published_step_never_changes(checkpoints: Checkpoints) -> None:
    checkpoints.write(snapshot_of(4), best=True)
    before = {path: (path.stat().st_ino, path.read_bytes()) for path in checkpoints.folder.glob("step-4/*")}
    checkpoints.write(snapshot_of(4), best=False)
    checkpoints.write(snapshot_of(8), best=False)
    assert {path: (path.stat().st_ino, path.read_bytes()) for path in checkpoints.folder.glob("step-4/*")} == before


def test_no_checkpoint_is_an_error_that_says_so(checkpoints: Checkpoints) -> None:
    with pytest.raises(RunError, match="checkpoints contains no checkpoint"):
        checkpoints.read()


def test_a_step_that_a_killed_process_left_without_a_pointer_is_written_anew(checkpoints: Checkpoints) -> None:
    """Its log offsets belong to the killed process, whose lines had other lengths."""
    checkpoints.write(snapshot_of(5), best=True)
    pointers = (checkpoints.folder / "pointers.json").read_bytes()
    killed = snapshot_of(10)
    killed = Snapshot(killed.step, killed.weights, killed.averaged, killed.state, {"logs": {"metrics.jsonl": 999}})
    checkpoints.write(killed, best=False)
    (checkpoints.folder / "pointers.json").write_bytes(pointers)
    resumed = Checkpoints(checkpoints.run)
    assert resumed.read().step == 5
    resumed.write(snapshot_of(10), best=False)
    assert_same(Checkpoints(checkpoints.run).read(), snapshot_of(10))


def test_after_a_fallback_the_good_checkpoint_is_kept_as_the_previous_one(checkpoints: Checkpoints) -> None:
    checkpoints.write(snapshot_of(0), best=True)
    checkpoints.write(snapshot_of(5), best=False)
    checkpoints.write(snapshot_of(10), best=False)
    replace_bytes(checkpoints.folder / "step-10/weights.safetensors", b"damaged")
    resumed = Checkpoints(checkpoints.run)
    assert resumed.read().step == 5
    resumed.write(snapshot_of(8), best=False)
    assert resumed.pointers() == {"last": 8, "previous": 5, "best": 0}
    assert_same(Checkpoints(checkpoints.run).read("previous"), snapshot_of(5))


def test_truncated_anywhere_is_named_and_the_previous_one_is_used(
    checkpoints: Checkpoints, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints.write(snapshot_of(5, width=70), best=False)
    last = checkpoints.write(snapshot_of(10, width=70), best=False)
    cuts = 0
    for path in sorted(last.iterdir()):
        whole = path.read_bytes()
        for length in range(0, len(whole), 4096):
            replace_bytes(path, whole[:length])
            with pytest.raises(RunError) as caught:
                read_checkpoint(last)
            assert str(path) in str(caught.value)
            caplog.clear()
            with caplog.at_level(logging.WARNING):
                assert_same(Checkpoints(checkpoints.run).read(), snapshot_of(5, width=70))
            assert [str(path) in message and "using step 5 instead" in message for message in caplog.messages] == [True]
            cuts += 1
        replace_bytes(path, whole)
    assert cuts > 10
    assert_same(checkpoints.read(), snapshot_of(10, width=70))


def test_any_flipped_byte_is_found(one: Path) -> None:
    files = {path: path.read_bytes() for path in sorted(one.iterdir())}
    assert {path.name for path in files} == set(NAMES)
    read_checkpoint(one)
    draw = random.Random(27)
    # Every file gets its share, the small ones too: an offset drawn over all bytes would hardly ever meet the manifest.
    for path, whole in files.items():
        for _ in range(200):
            offset = draw.randrange(len(whole))
            damaged = bytearray(whole)
            damaged[offset] ^= draw.randrange(1, 256)
            path.write_bytes(damaged)
            with pytest.raises(RunError) as caught:
                read_checkpoint(one)
            assert str(one) in str(caught.value), (path.name, offset)
        path.write_bytes(whole)
    read_checkpoint(one)


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.canary),)


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_a_pickle_is_never_run(one: Path, tmp_path: Path, name: str, sealed: bool, kind: str) -> None:
    canary = tmp_path / "canary"
    if kind == "pickle":
        replace_bytes(one / name, pickle.dumps(Payload(canary)))
    else:
        (one / name).unlink()
        torch.save(Payload(canary), one / name)
    if sealed and name != "manifest.json":
        seal(one)
    with pytest.raises(RunError, match=name):
        read_checkpoint(one)
    assert not canary.exists()
    if kind == "pickle":  # the payload does work
        pickle.loads((one / name).read_bytes())
    else:
        torch.load(io.BytesIO((one / name).read_bytes()), weights_only=False)
    assert canary.is_dir()


def safetensors_of(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(shape: list[int], start: int, stop: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


HOSTILE = {
    "header of 2^63 bytes": safetensors_of({}, length=2**63),
    "header of 2^64 - 1 bytes": safetensors_of({}, length=2**64 - 1),
    "header longer than the file": safetensors_of({}, length=5_000),
    "no header": b"\x00",
    "empty": b"",
    "overlapping": safetensors_of({"a": tensor([2], 0, 8), "b": tensor([2], 4, 12)}, bytes(12)),
    "negative offset": safetensors_of({"a": tensor([2], -8, 0)}, bytes(8)),
    "negative shape": safetensors_of({"a": tensor([-2], 0, 8)}, bytes(8)),
    "backwards": safetensors_of({"a": tensor([2], 8, 0)}, bytes(8)),
    "shape too large for its bytes": safetensors_of({"a": tensor([3], 0, 8)}, bytes(8)),
    "shape too small for its bytes": safetensors_of({"a": tensor([1], 0, 8)}, bytes(8)),
    "shape that overflows": safetensors_of({"a": tensor([2**62, 2**62], 0, 8)}, bytes(8)),
    "huge shape": safetensors_of({"a": tensor([2**40], 0, 2**42)}, bytes(8)),
    "beyond the file": safetensors_of({"a": tensor([2], 0, 8)}, bytes(4)),
    "bytes that none names": safetensors_of({"a": tensor([2], 0, 8)}, bytes(16)),
    "unknown type": safetensors_of({"a": tensor([2], 0, 8, "X99")}, bytes(8)),
    "not JSON": safetensors_of(b"{'a': 1}"),
    "not text": safetensors_of(b"\xff\xfe\xfd"),
    "a list": safetensors_of([1, 2]),
    "deep": safetensors_of(b'{"a":' * 5_000),
}


@pytest.mark.parametrize("name", ["weights.safetensors", "state.safetensors"])
@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_header_is_refused_within_the_memory_of_its_file(one: Path, name: str, what: str) -> None:
    replace_bytes(one / name, HOSTILE[what])
    seal(one)
    read_contents(one)  # the manifest is true of these bytes
    tracemalloc.start()
    try:
        with pytest.raises(RunError) as caught:
            read_checkpoint(one)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert str(one / name) in str(caught.value)
    assert peak < 2_000_000


def test_a_size_in_the_manifest_reserves_no_memory(one: Path) -> None:
    manifest = json.loads((one / "manifest.json").read_bytes())
    manifest["files"]["state.json"]["bytes"] = 2**60
    write_manifest(one, manifest)
    with pytest.raises(RunError, match=r"state\.json is damaged: .* expected 1,152,921,504,606,846,976"):
        read_checkpoint(one)


@pytest.mark.parametrize(
    "content",
    [b"[]", b"null", b"{}", b'{"step": "5"}', b'{"step": true}', b'{"step": 5', b"\xff", b'{"a":' * 100_000],
)
def test_a_state_that_is_not_one_is_refused(one: Path, content: bytes) -> None:
    replace_bytes(one / "state.json", content)
    seal(one)
    with pytest.raises(RunError, match=r"state\.json is damaged"):
        read_checkpoint(one)


@pytest.mark.parametrize("name", ["../x", "/etc/hostname", "extra.safetensors", "sub/weights.safetensors", ""])
def test_a_manifest_may_name_its_own_files_only(one: Path, name: str) -> None:
    (one.parent / "x").write_bytes(b"secret")
    manifest = json.loads((one / "manifest.json").read_bytes())
    secret = {"bytes": 6, "sha256": hashlib.sha256(b"secret").hexdigest()}
    write_manifest(one, {**manifest, "files": {**manifest["files"], name: secret}})
    with pytest.raises(RunError, match=r"manifest\.json names unexpected files"):
        read_checkpoint(one)
    write_manifest(one, {**manifest, "files": {name: secret}})
    with pytest.raises(RunError, match=r"manifest\.json names unexpected files"):
        read_checkpoint(one)


@pytest.mark.parametrize("name", [*NAMES, "."])
def test_a_link_is_not_followed(one: Path, tmp_path: Path, name: str) -> None:
    path = one / name if name != "." else one
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    with pytest.raises(RunError, match=f"{path} is a link"):
        read_checkpoint(one)


@pytest.mark.parametrize("name", NAMES)
def test_a_pipe_is_not_waited_for(one: Path, name: str) -> None:
    (one / name).unlink()
    os.mkfifo(one / name)
    with pytest.raises(RunError, match=name):
        read_checkpoint(one)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(one: Path, name: str) -> None:
    (one / name).unlink()
    with pytest.raises(RunError, match=name):
        read_checkpoint(one)


def test_a_newer_format_is_refused_with_both_numbers(one: Path) -> None:
    seal(one, format=FORMAT + 6)
    with pytest.raises(RunError, match=rf"has format {FORMAT + 6}, made by a newer lstmctl; this one reads {FORMAT}"):
        read_checkpoint(one)


MANIFESTS = st.one_of(
    st.binary(max_size=400),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([*NAMES, "format", "files", "bytes", "sha256", "\ud800"]), inner, max_size=5
            )
        ),
        max_leaves=12,
    ).map(lambda data: json.dumps(data).encode()),
    st.dictionaries(
        st.sampled_from(NAMES[:-1]),
        st.fixed_dictionaries({"bytes": st.integers(-1, 3), "sha256": st.text(max_size=4)}),
        min_size=3,
    ).map(lambda files: (json.dumps({"format": 1, "files": files}, indent=2, sort_keys=True) + "\n").encode()),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=MANIFESTS)
def test_any_manifest_is_read_or_refused(one: Path, content: bytes) -> None:
    (one / "manifest.json").write_bytes(content)
    with pytest.raises(RunError):
        read_checkpoint(one)


@pytest.mark.parametrize(
    "content", [b"{" * 50_000, b"[" * 90_000, b'{"files":' * 900 + b"1" + b"}" * 900, b"9" * 9_000]
)
def test_a_manifest_beyond_all_reason_is_refused(one: Path, content: bytes) -> None:
    (one / "manifest.json").write_bytes(content)
    with pytest.raises(RunError, match=r"manifest\.json is damaged"):
        read_checkpoint(one)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60) | MANIFESTS)
def test_any_pointer_file_leads_to_a_sound_checkpoint(checkpoints: Checkpoints, content: bytes) -> None:
    if not checkpoints.folder.exists():
        checkpoints.write(snapshot_of(3, width=2), best=True)
    (checkpoints.folder / "pointers.json").write_bytes(content)
    assert Checkpoints(checkpoints.run).read().step == 3


def test_a_lost_pointer_file_costs_nothing(checkpoints: Checkpoints) -> None:
    for step in (0, 5, 10):
        checkpoints.write(snapshot_of(step), best=False)
    (checkpoints.folder / "pointers.json").unlink()
    assert Checkpoints(checkpoints.run).read().step == 10


def test_what_killed_writers_left_goes_when_the_lock_is_taken(checkpoints: Checkpoints) -> None:
    path = checkpoints.write(snapshot_of(3), best=True)
    shutil.copytree(path, checkpoints.folder / ".step-9.tmp-4242")
    (checkpoints.run / ".run.json.tmp-4242").write_bytes(b"{")
    (checkpoints.folder / ".pointers.json.tmp-4242").write_bytes(b"{")
    assert Checkpoints(checkpoints.run).read().step == 3
    with RunFolder(checkpoints.run).locked():
        assert list(checkpoints.run.rglob(".*")) == []
    assert_same(checkpoints.read(), snapshot_of(3))


def test_a_vanished_run_folder_is_a_resource_error(checkpoints: Checkpoints) -> None:
    checkpoints.write(snapshot_of(3), best=True)
    shutil.rmtree(checkpoints.run)
    with pytest.raises(ResourceError, match=r"step-5 cannot be written \([0-9,]+ bytes needed\)"):
        checkpoints.write(snapshot_of(5), best=True)


def test_a_reader_whose_checkpoint_is_pruned_meanwhile_reads_the_pointers_again(
    checkpoints: Checkpoints, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints.write(snapshot_of(0), best=True)
    checkpoints.write(snapshot_of(5), best=True)
    reader = Checkpoints(checkpoints.run)
    steps = iter((10, 15))

    def read(path: Path) -> Snapshot:
        """Two saves come between the pointers and what they name."""
        for step in islice(steps, 2):
            checkpoints.write(snapshot_of(step), best=True)
        return read_checkpoint(path)

    step, snapshot, problems = reader._first_sound("best", read)
    assert (step, problems, caplog.messages) == (snapshot.step, [], [])
    assert step == 15


def test_a_reader_and_a_writer_at_once_see_no_damage(checkpoints: Checkpoints) -> None:
    checkpoints.write(snapshot_of(0, width=4), best=True)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(
            lambda: [checkpoints.write(snapshot_of(step, width=4), best=True) for step in range(1, 120)]
        )
        while not writing.done():
            for name in ("best", "last"):
                assert Checkpoints(checkpoints.run).read_weights(name).fallback is None
        writing.result()


def test_a_copy_under_another_step_is_refused(one: Path) -> None:
    other = shutil.copytree(one, one.parent / "step-9")
    with pytest.raises(RunError, match="step-9 is the checkpoint of step 3 under another name"):
        read_checkpoint(other)


def test_a_damaged_best_checkpoint_is_recreated_from_an_earlier_one(
    checkpoints: Checkpoints, caplog: pytest.LogCaptureFixture
) -> None:
    first = checkpoints.write(snapshot_of(0), best=True)
    kept = shutil.copytree(first, checkpoints.run / "kept")
    for step, best in ((5, True), (10, False), (15, False)):
        checkpoints.write(snapshot_of(step), best=best)
    replace_bytes(checkpoints.folder / "step-5/averaged.safetensors", b"damaged")
    with pytest.raises(RunError, match=r"averaged\.safetensors is damaged: .* no earlier one is left"):
        Checkpoints(checkpoints.run).starting_point()
    shutil.copytree(kept, first)
    found = Checkpoints(checkpoints.run).starting_point()
    assert found is not None
    assert_same(found, snapshot_of(0))
    assert "training continues from step 0 to recreate it" in caplog.text


def test_lost_pointers_are_derived_from_the_checkpoints(checkpoints: Checkpoints) -> None:
    assert checkpoints.starting_point() is None
    for step, best in ((5, True), (10, False), (15, False)):
        snapshot = snapshot_of(step)
        checkpoints.write(
            Snapshot(step, snapshot.weights, None, snapshot.state, {"best": 1.5, "best_step": 5}), best=best
        )
    before = checkpoints.pointers()
    for damage in (None, "{", '{"last": 15}', "{}"):
        (checkpoints.folder / "pointers.json").unlink()
        if damage is not None:
            (checkpoints.folder / "pointers.json").write_text(damage)
        found = Checkpoints(checkpoints.run).starting_point()
        assert found is not None
        assert found.step == 15
        assert checkpoints.pointers() == before == {"last": 15, "previous": 10, "best": 5}
