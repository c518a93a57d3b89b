"""Crates that a notebook adds by `:dep`: built once, kept for the next kernel, and as new as their source."""

import time

import pytest

from client import FIRST_START


def crate(folder, name, body, dependencies=""):
    (folder / name / "src").mkdir(parents=True, exist_ok=True)
    (folder / name / "Cargo.toml").write_text(
        f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\n{dependencies}'
    )
    (folder / name / "src" / "lib.rs").write_text(body)
    return f':dep {name} = {{ path = "{folder / name}" }}\n'


def value(cell):
    assert cell.status == "ok", "\n".join(cell.reply["content"]["traceback"])
    return cell.contents("execute_result")[0]["data"]["text/plain"]


@pytest.fixture
def crates(tmp_path):
    """Two crates of which one needs the other; the name is new with each run of the tests."""
    inner = f"inner_{tmp_path.name.replace('-', '_')}_{int(time.time())}"
    outer = inner.replace("inner", "outer")
    crate(tmp_path, inner, "pub fn one() -> u64 { 1 }\npub struct Kept(pub Vec<u64>);")
    line = crate(
        tmp_path,
        outer,
        f"pub use {inner}::Kept;\npub fn two() -> u64 {{ 2 * {inner}::one() }}\n"
        "pub fn largest<T: Ord + Copy>(all: &[T]) -> Option<T> { all.iter().copied().max() }",
        f'{inner} = {{ path = "../{inner}" }}\n',
    )
    return tmp_path, inner, outer, line


def test_a_crate_is_built_once_and_rebuilt_when_its_source_changes(start, crates):
    folder, inner, outer, line = crates
    kernel = start()
    kernel.wait_until_warm(FIRST_START)
    cell = kernel.run(f"{line}{outer}::two()", timeout=300)
    # cargo tells what it does.
    assert value(cell) == "2" and f"Compiling {outer}" in cell.text("stderr")
    cell = kernel.run(f"let kept = {outer}::Kept(vec![3, 1]); {outer}::largest(&kept.0)")
    assert value(cell) == "Some(3)" and cell.text("stderr") == ""
    # Beside the toolkit, in one cell, with variables of both.
    cell = kernel.run(f"let frame = polars::df!(\"a\" => kept.0.clone())?; frame.height() as u64 + {outer}::two() + kept.0[0]")
    assert value(cell) == "7"
    # A crate that another one needs, changed.
    crate(folder, inner, "pub fn one() -> u64 { 10 }\npub struct Kept(pub Vec<u64>);")
    cell = kernel.run(f"{outer}::two()", timeout=300)
    assert value(cell) == "20" and f"Compiling {inner}" in cell.text("stderr")

    other = start()
    other.wait_until_warm(FIRST_START)
    cell = other.run(f"{line}{outer}::two()", timeout=300)
    assert value(cell) == "20" and "Compiling" not in cell.text("stderr")


def test_a_crate_that_does_not_compile_says_so_and_the_session_goes_on(start, crates):
    folder, _, outer, line = crates
    kernel = start()
    kernel.wait_until_warm(FIRST_START)
    kernel.run("let kept = 1u64;")
    crate(folder, outer, "pub fn two() -> u64 { \"text\" }")
    cell = kernel.run(f"{line}{outer}::two()", timeout=300)
    assert cell.status == "error" and "mismatched types" in "\n".join(cell.reply["content"]["traceback"])
    crate(folder, outer, "pub fn two() -> u64 { 5 }")
    assert value(kernel.run(f"{line}{outer}::two() + kept", timeout=300)) == "6"


def test_a_crate_that_does_not_exist_is_refused(start, tmp_path):
    kernel = start()
    kernel.wait_until_warm(FIRST_START)
    cell = kernel.run(f':dep nowhere = {{ path = "{tmp_path}/nowhere" }}\n1 + 1')
    assert cell.status == "error" and "nowhere" in "\n".join(cell.reply["content"]["traceback"])
    assert value(kernel.run("1 + 1")) == "2"
