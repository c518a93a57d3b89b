//! What readers of our output rely on, checked on real output of child processes where it can be: a child
//! is this test binary asked for one ignored test.

use std::fs::File;
use std::io::Read;
use std::os::fd::FromRawFd;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::sink::{Backend, Message, encode};
use super::*;
use crate::cells::kernel_for_tests::{MARKER, NOTEBOOK_ENV};

/// This test binary, about to run `case` with the given environment.
fn child_of(case: &str, variables: &[&str]) -> Command {
    let mut command = crate::testing::child("show::tests::in_child");
    command.env_remove(NOTEBOOK_ENV).env_remove("EVCXR_IS_RUNTIME");
    command
        .envs(variables.iter().map(|name| (name, "1")))
        .env("JOOK_TEST_CASE", case);
    command
}

/// Standard output of `case` run in a child process, with the given environment.
fn output_of(case: &str, variables: &[&str]) -> String {
    let output = child_of(case, variables).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    text
}

/// What `case` writes to a terminal of 60 columns.
fn terminal_output_of(case: &str) -> String {
    let (mut screen, mut program) = (-1, -1);
    let mut size = libc::winsize {
        ws_row: 24,
        ws_col: 60,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: openpty writes two descriptors, which the two files below then own.
    let (mut screen, program) = unsafe {
        let null = std::ptr::null_mut();
        assert_eq!(
            libc::openpty(
                &raw mut screen,
                &raw mut program,
                null,
                null.cast(),
                &raw mut size
            ),
            0
        );
        (File::from_raw_fd(screen), File::from_raw_fd(program))
    };
    let mut child = child_of(case, &[]).stdout(program).spawn().unwrap();
    let (mut text, mut part) = (Vec::new(), [0; 4096]);
    // Reading fails once the child, the only one at the other end, is gone.
    while let Ok(n @ 1..) = screen.read(&mut part) {
        text.extend_from_slice(&part[..n]);
    }
    assert!(child.wait().unwrap().success());
    String::from_utf8(text).unwrap()
}

/// The messages in an output, each checked to be one line of valid JSON, and the text between them.
fn messages(output: &str) -> (Vec<Value>, String) {
    let (mut found, mut rest) = (Vec::new(), String::new());
    for line in output.lines() {
        match line.split_once(MARKER) {
            None => rest += &format!("{line}\n"),
            Some((text, json)) => {
                rest += text;
                found.push(serde_json::from_str(json).unwrap_or_else(|e| panic!("{e}: {json}")));
            }
        }
    }
    (found, rest)
}

#[test]
#[ignore = "run in a child process by the tests below"]
fn in_child() {
    match std::env::var("JOOK_TEST_CASE").as_deref() {
        Ok("threads") => std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    for i in 0..50 {
                        print!("words {thread} ");
                        show(&format!(
                            "line one\nline two of {thread} {i} \u{1e}jook \"quoted\""
                        ));
                    }
                });
            }
        }),
        Ok("order") => {
            let handle = show_updatable("first");
            handle.update("second");
            println!("between");
            clear_output(true);
            handle.update("third");
            drop(handle);
            Table::new(["a"]).row([1]).evcxr_display();
        }
        Ok("nothing more") => {
            show_updatable("once").evcxr_display();
            Progress::new("bar", 1).evcxr_display();
            ().evcxr_display();
            Ok::<(), crate::Error>(()).evcxr_display();
            // A number without a type, as `1 + 1` in a cell.
            (1 + 1).evcxr_display();
        }
        Ok("plot") => show(&chart::curves(["t", "x", "y"], &[])),
        Ok("slow progress") => slow_progress(),
        Ok("quick progress") => Progress::new("quick", 3).finish("done <b>"),
        Ok("dropped progress") => {
            let progress = Progress::new("lost", 10);
            progress.step(4, "never drawn, but counted");
        }
        Ok("quiet progress") => {
            quiet(|| {
                let progress = Progress::new("hidden", 1);
                std::thread::sleep(Duration::from_millis(320));
                progress.step(1, "hidden");
                progress.finish("hidden");
            });
            Progress::new("seen", 1).finish("again");
        }
        _ => {}
    }
}

fn slow_progress() {
    let (progress, start) = (Progress::new("slow", 1000), Instant::now());
    let progress = &progress;
    std::thread::scope(|scope| {
        for thread in 0..2 {
            scope.spawn(move || {
                let mut step = 0;
                while start.elapsed() < Duration::from_millis(1000) {
                    step += 1;
                    progress.value(1.0 / f64::from(step));
                    progress.step(500, format_args!("thread {thread}"));
                    std::thread::sleep(Duration::from_micros(200));
                }
            });
        }
    });
    progress.step(1000, "");
}

#[test]
fn messages_of_many_threads_stay_whole_after_words_without_a_newline() {
    let (found, rest) = messages(&output_of("threads", &[NOTEBOOK_ENV]));
    assert_eq!(found.len(), 200);
    for message in &found {
        assert_eq!(message["kind"], "display");
        assert_eq!(message["metadata"], serde_json::json!({}));
        let text = message["data"]["text/plain"].as_str().unwrap();
        assert!(text.starts_with("line one\nline two of "), "{text}");
        assert!(text.ends_with("\u{1e}jook \"quoted\""), "{text}");
    }
    assert_eq!(rest.matches("words ").count(), 200);
}

#[test]
fn a_handle_updates_under_its_id_and_the_last_value_is_the_result() {
    let (found, rest) = messages(&output_of("order", &[NOTEBOOK_ENV, "EVCXR_IS_RUNTIME"]));
    let kinds: Vec<_> = found.iter().map(|m| m["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["display", "update", "clear", "update", "result"]);
    let id = found[0]["id"].as_str().unwrap();
    assert!(!id.is_empty());
    assert_eq!(found[1]["id"], id);
    assert_eq!(found[3]["id"], id);
    assert_eq!(found[2]["wait"], true);
    assert!(found[4].get("id").is_none() && found[4]["data"]["text/html"].is_string());
    assert!(rest.contains("between"));
}

#[test]
fn what_is_on_display_already_is_not_shown_again_at_the_end_of_a_cell() {
    let (found, _) = messages(&output_of("nothing more", &[NOTEBOOK_ENV]));
    let text = |m: &Value| m["data"]["text/plain"].as_str().unwrap().to_owned();
    let texts: Vec<String> = found.iter().map(text).collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(texts[0] == "once" && texts[1].starts_with("bar 0/1") && texts[2] == "2");
    assert_eq!(found[2]["kind"], "result");
}

#[test]
fn without_a_notebook_the_text_is_readable_and_the_last_state_is_printed() {
    let output = output_of("order", &[]);
    assert!(!output.contains(['\u{1e}', '\r', '\u{1b}']), "{output:?}");
    let at = |words: &str| {
        output
            .find(words)
            .unwrap_or_else(|| panic!("{words} in {output:?}"))
    };
    assert!(at("first\n") < at("between\n") && at("between\n") < at("third\n"));
    assert!(!output.contains("second"));
}

#[test]
fn stock_evcxr_gets_blocks_by_type() {
    let output = output_of("plot", &["EVCXR_IS_RUNTIME"]);
    let block = output
        .split("EVCXR_BEGIN_CONTENT application/vnd.plotly.v1+json\n")
        .nth(1)
        .unwrap();
    let json = block.split("\nEVCXR_END_CONTENT\n").next().unwrap();
    let figure: Value = serde_json::from_str(json).unwrap();
    assert_eq!(figure["layout"]["height"], chart::HEIGHT);
    let output = output_of("order", &["EVCXR_IS_RUNTIME"]);
    assert!(output.contains("EVCXR_BEGIN_CONTENT text/plain\nthird\nEVCXR_END_CONTENT\n"));
    assert!(!output.contains("first") && !output.contains('\u{1e}'));
}

#[test]
fn a_long_progress_draws_a_few_times_a_second_and_always_its_end() {
    let (found, _) = messages(&output_of("slow progress", &[NOTEBOOK_ENV]));
    assert!(
        (3..=10).contains(&found.len()),
        "{} drawings in a second",
        found.len()
    );
    assert_eq!(found[0]["kind"], "display");
    assert!(
        found[1..]
            .iter()
            .all(|m| m["kind"] == "update" && m["id"] == found[0]["id"])
    );
    let first = found[0]["data"]["text/plain"].as_str().unwrap();
    assert!(
        first.contains("50% 500/1000") && first.contains(" left]"),
        "{first}"
    );
    let last = &found[found.len() - 1]["data"];
    assert!(
        last["text/plain"]
            .as_str()
            .unwrap()
            .starts_with("slow 1000/1000 ["),
        "{last}"
    );
    assert!(
        last["text/html"].as_str().unwrap().contains("<svg"),
        "the curve is missing: {last}"
    );
}

#[test]
fn a_terminal_has_one_line_rewritten_within_its_width() {
    let output = terminal_output_of("slow progress");
    let drawn: Vec<&str> = output.split('\r').filter(|part| part.contains("slow")).collect();
    assert!((3..=10).contains(&drawn.len()), "{output:?}");
    for line in &drawn {
        let line = line
            .strip_suffix("\u{1b}[K")
            .unwrap_or_else(|| panic!("no end in {output:?}"));
        assert!(!line.contains('\n') && super::table::width(line) < 60, "{line:?}");
    }
    // The terminal turns the newline that ends the line into two characters.
    let end = output.rfind("slow").unwrap();
    assert!(output[end..].starts_with("slow 1000/1000 [") && output[end..].contains("\u{1b}[K\r\n"));
    let output = terminal_output_of("quick progress");
    assert!(
        output.contains("\rquick 0/3 [") && output.contains("done <b>\u{1b}[K\r\n"),
        "{output:?}"
    );
}

#[test]
fn short_dropped_and_quiet_progress() {
    let (found, _) = messages(&output_of("quick progress", &[NOTEBOOK_ENV]));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["kind"], "display");
    let html = found[0]["data"]["text/html"].as_str().unwrap();
    assert!(html.contains("done &lt;b&gt;") && !html.contains("<b>"), "{html}");

    let (found, _) = messages(&output_of("dropped progress", &[NOTEBOOK_ENV]));
    assert_eq!(found.len(), 1);
    assert!(
        found[0]["data"]["text/plain"]
            .as_str()
            .unwrap()
            .starts_with("lost 4/10")
    );

    let (found, _) = messages(&output_of("quiet progress", &[NOTEBOOK_ENV]));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0]["data"]["text/plain"]
            .as_str()
            .unwrap()
            .starts_with("seen")
    );

    let output = output_of("slow progress", &[]);
    assert_eq!(output.matches("slow").count(), 1, "{output}");
    assert!(!output.contains(['\r', '\u{1b}']));
}

#[test]
fn a_message_is_one_line_whatever_it_holds() {
    let bundle = Bundle::text("a\nb\r\u{1e}\u{85}\u{2028}\"\\\u{0}").html("<p>\n</p>");
    for message in [
        Message::Display(&bundle, Some("id \"1\"")),
        Message::Result(&bundle),
        Message::Update(&bundle, "1"),
        Message::Clear { wait: false },
    ] {
        let line = encode(Backend::Notebook, &message);
        assert!(!line.contains(['\n', '\r', '\u{1e}']), "{line:?}");
        let json: Value = serde_json::from_str(&line).unwrap();
        assert!(json["kind"].is_string());
    }
}

#[test]
fn html_cannot_break_out() {
    assert_eq!(
        escape_html("<a href='x'>&\"\u{0}"),
        "&lt;a href=&#39;x&#39;&gt;&amp;&quot;\u{fffd}"
    );
    let html = Table::new(["<th>"])
        .row(["</td><script>"])
        .caption("<c>")
        .note("<n>")
        .to_html();
    assert!(
        !html.contains("<script>") && !html.contains("<c>") && !html.contains("<n>"),
        "{html}"
    );
    assert!(!html.contains("<style"), "styles reach the page around: {html}");
}

#[test]
fn table_columns_line_up_with_wide_characters() {
    let table = Table::new(["名前", "n"])
        .row(["粥", "5"])
        .row(["cafe\u{301}", "1234"])
        .row(["two\nlines", "-0.5"])
        .row(["short"]);
    let text = table.to_text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "名前          n");
    assert_eq!(lines[1], "───────────────");
    assert_eq!(lines[2], "粥            5");
    assert_eq!(lines[3], "cafe\u{301}       1234");
    assert_eq!(lines[4], "two lines  -0.5");
    assert_eq!(lines[5], "short");
    assert!(table.to_html().contains("two<br>lines"));
    assert_eq!(Table::new(Vec::<String>::new()).to_text().trim(), "");
}

#[test]
fn confusion_counts_are_there_with_recall_and_rows_of_nothing() {
    let bundle = confusion_bundle(&["cat", "<dog>", "none"], &[8, 2, 0, 1, 9, 0, 0, 0, 0]);
    assert!(
        bundle.plain().contains("17 of 20 right (85.0%)"),
        "{}",
        bundle.plain()
    );
    assert!(bundle.plain().contains("80.0%") && bundle.plain().contains('–'));
    let html = bundle.to_html();
    assert!(
        html.contains("&lt;dog&gt;") && html.contains("rgba(213,94,0,0.46)"),
        "{html}"
    );
    // Counts that do not fit the names do not panic.
    confusion_bundle(&["a", "b"], &[1, 2, 3]);
    confusion_bundle::<&str>(&[], &[]);
    serde_json::to_value(chart::confusion("", &["a", "b"], &[1, 2, 3])).unwrap();
}
