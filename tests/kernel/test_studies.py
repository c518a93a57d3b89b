"""Studies in cells: a trial is found again when its code and its data are the same, and only then."""

import os
import signal

import pytest

from client import FIRST_START, ok

STUDY = """let studied = Study::new("{name}").vary("of_study", [1.0, 2.0]).seeds({seeds}).quiet()
    .run(|one_trial| Ok(one_trial["of_study"].number()? * doubled(studied_factor as f64) + studied_data.len() as f64))?;
(studied.counts().computed, studied.counts().reused)"""


def counts(kernel, name, seeds=1):
    cell = ok(kernel.run(STUDY.format(name=name, seeds=seeds)))
    return cell.contents("execute_result")[0]["data"]["text/plain"]


@pytest.fixture
def started(module_kernel):
    kernel = module_kernel
    ok(kernel.run("fn doubled(of: f64) -> f64 { 2.0 * of }\nlet studied_factor = 3;"))
    ok(kernel.run("let studied_digits = datasets::digits()?;"))
    ok(kernel.run("let studied_data = studied_digits.few_shot(10, 0)?.train;"))
    return kernel


def test_the_same_cell_finds_its_trials(started, tmp_path):
    ok(started.run(f'std::env::set_current_dir("{tmp_path}")?;'))
    assert counts(started, "same") == "(2, 0)"
    assert counts(started, "same") == "(0, 2)"
    # What is looked at stays what it is, and so do trials beside more of them.
    ok(started.run("(studied_data.len(), studied_factor)"))
    assert counts(started, "same", seeds=2) == "(2, 2)"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("let studied_data = studied_digits.few_shot(20, 0)?.train;", id="captured-data"),
        pytest.param("let studied_factor = 4;", id="captured-number"),
        pytest.param("fn doubled(of: f64) -> f64 { 2.5 * of }", id="function"),
    ],
)
def test_what_a_closure_captured_or_calls_is_part_of_its_trials(started, tmp_path, change):
    ok(started.run(f'std::env::set_current_dir("{tmp_path}")?;'))
    assert counts(started, "changed") == "(2, 0)"
    ok(started.run(change))
    assert counts(started, "changed") == "(2, 0)"


def shown(kernel, code):
    return ok(kernel.run(code)).contents("execute_result")[0]["data"]["text/plain"]


def test_studies_of_one_cell_are_told_apart(started, tmp_path):
    ok(started.run(f'std::env::set_current_dir("{tmp_path}")?;'))
    ok(started.run("fn one_study(k: f64) -> Result<f64> { Ok(Study::new(\"called\").vary(\"one\", [1.0]).quiet().run(|t| Ok(k * t[\"one\"].number()?))?.best(\"value\")?.1.mean) }"))
    loop = (
        'let mut sizes = vec![];\nfor n in [5, 10, 40] { let few = studied_digits.few_shot(n, 0)?.train; '
        'let s = Study::new("looped").vary("one", [0]).quiet().run(|_| Ok(few.len() as f64))?; '
        'sizes.push((s.best("value")?.1.mean, s.counts().reused)); }\nsizes'
    )
    assert shown(started, "(one_study(1.0)?, one_study(2.0)?, one_study(3.0)?)") == "(1.0, 2.0, 3.0)"
    assert shown(started, loop) == "[(50.0, 0), (100.0, 0), (400.0, 0)]"
    assert shown(started, loop) == "[(50.0, 1), (100.0, 1), (400.0, 1)]"


def test_what_the_toolkit_read_from_a_file_is_part_of_a_trial(start, tmp_path):
    study = 'let s = Study::new("from a file").vary("one", [1]).quiet().run(|_| Ok(read_data.len() as f64))?;\n(s.best("value")?.1.mean, s.counts().reused)'
    read = 'let read_data = Dataset::from_csv("k.csv", "kind")?;'

    def write(rows):
        lines = "".join(f"{row},{'ab'[row % 2]}\n" for row in range(rows))
        (tmp_path / "k.csv").write_text("x,kind\n" + lines)

    write(8)
    kernel = start()
    ok(kernel.run(f'std::env::set_current_dir("{tmp_path}")?;', timeout=FIRST_START))
    ok(kernel.run(read))
    assert shown(kernel, study) == "(8.0, 0)"
    ok(kernel.run(read))
    assert shown(kernel, study) == "(8.0, 1)"
    write(4)
    ok(kernel.run(read))
    assert shown(kernel, study) == "(4.0, 0)"
    write(8)
    kernel = start()
    ok(kernel.run(f'std::env::set_current_dir("{tmp_path}")?;', timeout=FIRST_START))
    ok(kernel.run(read))
    assert shown(kernel, study) == "(8.0, 1)"
    write(2)
    ok(kernel.run(read))
    assert shown(kernel, study) == "(2.0, 0)"


@pytest.mark.parametrize(
    ("made", "looked", "change", "used"),
    [
        ("let moved1 = Box::new(std::sync::Mutex::new(3.0));", "moved1.lock().unwrap();", "*moved1.lock().unwrap() = 9.0;", "*moved1.lock().unwrap()"),
        (
            "use std::sync::atomic::{AtomicU64, Ordering}; let moved2 = std::sync::Arc::new(AtomicU64::new(3));",
            "moved2.load(Ordering::SeqCst);", "moved2.store(7, Ordering::SeqCst);", "moved2.load(Ordering::SeqCst) as f64",
        ),
        (
            "struct Pot3 { rice: std::sync::Mutex<Vec<f64>> } fn fill3(pot: &Pot3) { pot.rice.lock().unwrap().push(1.0); } let moved3 = Pot3 { rice: Default::default() };",
            "1 + 1", "fill3(&moved3);", "moved3.rice.lock().unwrap().len() as f64",
        ),
        ("static MOVED4: std::sync::Mutex<f64> = std::sync::Mutex::new(3.0);", "1 + 1", "*MOVED4.lock().unwrap() = 4.0;", "*MOVED4.lock().unwrap()"),
    ],
    ids=["a lock", "an atomic", "a lock within a type of the notebook's", "a static"],
)
def test_what_changes_behind_a_shared_reference_counts_too(started, tmp_path, made, looked, change, used):
    name = f"moved {made[:20]}"
    study = (
        f'let moving = Study::new("{name}").vary("m", [1.0]).seeds(1).quiet().run(|_| Ok({used}))?; '
        "moving.table().column(\"mean\")?.get(0)?.to_string()"
    )

    def found():
        return ok(started.run(study)).contents("execute_result")[0]["data"]["text/plain"]

    ok(started.run(f'std::env::set_current_dir("{tmp_path}")?;'))
    ok(started.run(made))
    before = found()
    ok(started.run(looked))
    assert found() == before
    ok(started.run(change))
    assert found() != before


def test_a_cell_two_steps_back_counts_too(started, tmp_path):
    ok(started.run(f'std::env::set_current_dir("{tmp_path}")?;'))
    ok(started.run("let studied_data = studied_digits.few_shot(10, 0)?.train;"))
    assert counts(started, "chain") == "(2, 0)"
    ok(started.run("let studied_digits = datasets::digits()?.of_classes(&[\"1\", \"2\"])?;"))
    # The same words, and other studied_data from them.
    ok(started.run("let studied_data = studied_digits.few_shot(10, 0)?.train;"))
    assert counts(started, "chain") == "(2, 0)"


def test_trials_are_found_again_after_a_death(start, tmp_path):
    kernel = start()
    # Before the kernel has done what follows its first cell.
    ok(kernel.run(f'std::env::set_current_dir("{tmp_path}")?; let pid = std::process::id(); println!("{{pid}}");', timeout=FIRST_START))
    study = """let s = Study::new("died").vary("x", (0..4).collect::<Vec<i32>>()).quiet().threads(1)
        .run(|t| Ok([("loss", t["x"].number()?)]))?;
    (s.counts().computed, s.counts().reused)"""
    for counts in ["(4, 0)", "(0, 4)", "(0, 4)"]:
        ok(kernel.run(f'std::env::set_current_dir("{tmp_path}")?;'))
        cell = ok(kernel.run(study))
        assert cell.contents("execute_result")[0]["data"]["text/plain"] == counts
        assert kernel.run("std::process::abort()").reply["content"]["ename"] == "ChildDied"


def test_a_death_between_two_cells_is_told(start):
    kernel = start()
    cell = ok(kernel.run('let a = 5; println!("{}", std::process::id());', timeout=FIRST_START))
    os.kill(int(cell.text()), signal.SIGKILL)
    cell = kernel.run('println!("{a}");')
    assert cell.reply["content"]["ename"] == "ChildDied"
    assert ok(kernel.run("let a = 6; a")).contents("execute_result")[0]["data"]["text/plain"] == "6"
