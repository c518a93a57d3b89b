"""A value that ends a cell is shown whole while it is short, and cut when it is long: it says how long it is and how to
see all of it."""

import time

import pytest

MOST = 5_000


def result(cell):
    assert cell.status == "ok", "\n".join(cell.reply["content"]["traceback"])
    (result,) = cell.contents("execute_result")
    return result["data"]


LONG = [
    ("(0..1_000_000u32).map(|n| (n, n)).collect::<std::collections::HashMap<_, _>>()", "of 1000000 elements; `println!(\"{:?}\", …)`"),
    ("Box::new((0..90_000u32).collect::<std::collections::BTreeSet<_>>())", "of 90000 elements"),
    ("[[1.5f32; 300]; 300]", "of 300 elements"),
    ("vec![(1, \"one\"); 70_000]", "of 70000 elements"),
    ("\"é\".repeat(2_000_000)", "of 2000000 characters; `println!(\"{}\", …)`"),
    ("Some(vec![vec![vec![vec![1u8; 60]; 60]; 60]; 60])", "of 60 values; `println!(\"{:?}\", …)`"),
    ("vec![\"word \".repeat(200); 5_000]", "and 49"),
    ("Err::<(), _>(\"no \".repeat(9_000))", "of 27000 characters"),
    ("struct Held { name: &'static str, rows: Vec<Vec<f64>> }\nHeld { name: \"a\", rows: vec![vec![0.5; 900]; 900] }", "(cut: the first 5000 characters of "),
    ("std::path::PathBuf::from(\"x\".repeat(60_000))", "(cut: the first 5000 characters of 60002 characters;"),
    ("Some((1, \"x\".repeat(60_000)))", "(cut: the first 5000 characters of 60013 characters;"),
]


@pytest.mark.parametrize("code, said", LONG)
def test_a_long_value_is_cut_and_says_so(kernel, code, said):
    data = result(kernel.run(code.replace("struct", "#[derive(Debug)] struct")))
    text = data["text/plain"]
    assert said in text and len(text) < 5 * MOST, text[-200:]
    assert len(data.get("text/html", "")) < 10 * MOST


def test_a_short_value_is_whole(kernel):
    code = "#[derive(Debug)] struct Pair { one: Vec<u8>, two: Option<&'static str> }\nPair { one: vec![1, 2], two: None }"
    assert result(kernel.run(code))["text/plain"] == "Pair { one: [1, 2], two: None }"
    assert result(kernel.run("std::collections::BTreeMap::from([(1, \"a\")])"))["text/plain"] == '{1: "a"}'
    whole = result(kernel.run(f"(\"x\".repeat({MOST - 8}), 1)"))["text/plain"]
    assert "cut" not in whole and len(whole) < MOST


def test_what_cannot_be_seen_is_not_written(kernel):
    """The value would take minutes to write and more memory than there is."""
    kernel.run(
        """
        struct Endless;
        impl std::fmt::Debug for Endless {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { loop { f.write_str("on and on ")?; } }
        }
        """
    )
    start = time.monotonic()
    assert "(cut: the first 5000 characters of more than " in result(kernel.run("Endless"))["text/plain"]
    assert time.monotonic() - start < 30


def test_formats_of_evcxr_go_on_working(own_kernel):
    def text(code):
        return result(own_kernel.run(code))["text/plain"]

    own_kernel.run(":fmt {:#?}")
    assert text("(1, 2)") == "(\n    1,\n    2,\n)"
    assert text("vec![(1, 2); 9_000]").endswith("of 9000 elements; `println!(\"{:#?}\", …)` prints all)")
    own_kernel.run(":fmt {}")
    assert text("std::path::Path::new(\"a\").display()") == "a"
    own_kernel.run(":fmt {:?}\n:types")
    assert text("(1u8, 2u8)") == ": (u8, u8) = (1, 2)"
    assert text("vec![(1u8, 2u8); 9_000]").endswith("of 9000 elements; `println!(\"{:?}\", …)` prints all)")


def test_a_value_without_any_text_is_told_at_its_line(kernel):
    cell = kernel.run("struct Mute;\nlet n = 1;\nMute")
    text = "\n".join(cell.reply["content"]["traceback"])
    assert cell.status == "error" and "Debug" in text and "line 3" in text, text
    assert "send_value" not in text and "evcxr" not in text.lower(), text
