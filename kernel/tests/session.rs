//! A whole session: one kernel process, many cells. Slow to start, so one test asks all the questions.

#![allow(dead_code, unused_imports)]

#[path = "../src/session/mod.rs"]
mod session;

use session::{Answer, CellError, Comms, Event, Options, Session};
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Notebook {
    session: Arc<Session>,
}

impl Notebook {
    fn run(&self, code: &str) -> (Vec<Event>, Result<(), CellError>) {
        let mut events = Vec::new();
        let result = self
            .session
            .execute(code, &mut |event| events.push(event), &|prompt, _| {
                Answer::Line(format!("re: {prompt}"))
            });
        (events, result)
    }

    fn ok(&self, code: &str) -> Vec<Event> {
        let (events, result) = self.run(code);
        if let Err(error) = result {
            panic!("{code}\n{}", error.traceback.join("\n"));
        }
        events
    }

    fn fails(&self, code: &str) -> (Vec<Event>, CellError) {
        let (events, result) = self.run(code);
        (events, result.expect_err(code))
    }

    fn value(&self, code: &str) -> String {
        match &self.ok(code)[..] {
            [Event::Result { data, .. }] => data["text/plain"].as_str().unwrap().to_owned(),
            other => panic!("{code}: {other:?}"),
        }
    }

    /// Stops the cell once it has printed something.
    fn stop_after_output(&self, code: &str, again: Option<Duration>) -> (Vec<Event>, Result<(), CellError>) {
        let mut events = Vec::new();
        let result = self.session.execute(
            code,
            &mut |event| {
                if events.is_empty() {
                    self.session.interrupt();
                    if let Some(wait) = again {
                        let session = self.session.clone();
                        std::thread::spawn(move || {
                            std::thread::sleep(wait);
                            session.interrupt();
                        });
                    }
                }
                events.push(event);
            },
            &|_, _| Answer::Stopped,
        );
        (events, result)
    }
}

fn text(events: &[Event]) -> String {
    let printed = |event: &Event| match event {
        Event::Stdout(text) => text.clone(),
        _ => String::new(),
    };
    events.iter().map(printed).collect()
}

#[test]
fn a_notebook_from_start_to_end() {
    // SAFETY: the only test of this program that starts threads has not started any yet.
    unsafe { std::env::set_var("JOOK_EXE", env!("CARGO_BIN_EXE_jook")) };
    let start = Instant::now();
    let session = Session::start(Options {
        working_dir: std::env::temp_dir(),
        on_progress: Box::new(|line| eprintln!("{line}")),
        comms: Comms::new(|_, _| {}),
        between: None,
        typed_at: true,
    })
    .unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "start returns at once");
    let book = Notebook {
        session: Arc::new(session),
    };

    // Output: in order, with and without a final newline; nothing for statements and `()`.
    assert_eq!(text(&book.ok("println!(\"one\"); print!(\"two\");")), "one\ntwo");
    assert_eq!(book.ok("println!(\"x\")").len(), 1);
    assert_eq!(book.ok("let unused = 1;").len(), 0);
    // What looks like a message is text; what shows itself does so in its place.
    let printed = "\u{1e}jook {\"kind\":\"display\",\"data\":{\"text/plain\":\"d\"}}\n";
    assert_eq!(
        text(&book.ok(&format!("print!(\"{{}}\", {printed:?});"))),
        printed
    );
    let shown = book.ok("print!(\"a\"); jook::show::show(\"d\"); println!(\"b\");");
    assert!(
        matches!(&shown[..], [Event::Stdout(a), Event::Display { data, .. }, Event::Stdout(b)]
        if data["text/plain"] == "d" && a == "a" && b == "b\n"),
        "{shown:?}"
    );

    // The toolkit is there at once, however it is asked for.
    let asked = Instant::now();
    book.ok(":dep jook = { path = \"../toolkit\" }\nuse jook::prelude::*;");
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());

    // Variables keep the types that were inferred for them.
    book.ok("let n = 5i32; let v = vec![1, 2, 3]; let words: Vec<String> = vec![\"a\".into()];");
    assert_eq!(book.value("v.len() as i32 + n"), "8");
    book.ok("let frame = polars::df!(\"a\" => [1i64, 2])?; let plot = plotly::Plot::new();");
    book.ok("use dfdx::prelude::*; let device = Cpu::default(); let t = device.tensor([[1.0f32, 2.0]]);");
    assert_eq!(book.value("frame.height()"), "2");
    // A number that nothing gives a type shows itself like any other.
    assert_eq!(book.value("let kept = 6 * 7;\nkept"), "42");

    // The toolkit's values and those of its main packages can be stored and used later.
    book.ok("let few = datasets::digits()?.few_shot(10, 1)?;\n\
        let run = Mlp::new([64, 16, 10]).fit(&few, Recipe::new().epochs(2))?; let history = run.history.clone();");
    assert_eq!(book.value("history.len() as u64"), "2");
    book.ok("let model = device.build_module::<(Linear<64, 8>, ReLU, Linear<8, 10>), f32>();\n\
        let typed = model.train(&few.train, Recipe::new().epochs(1))?; let found = typed.evaluate(&few.test)?;");
    assert_eq!(book.value("found.n > 1000"), "true");
    book.ok("let study = Study::new(\"s\").vary(\"hidden\", [4, 8]).seeds(2).in_memory().quiet()\n\
        .run(|t| Mlp::new([64, 8, 10]).hidden(t[\"hidden\"]).fit(&few, Recipe::new().epochs(1)))?;\n\
        let heat = study.box_plot(\"accuracy\")?; let pair = study.compare([(\"hidden\", 4)], [(\"hidden\", 8)], \"accuracy\")?;");
    assert_eq!(book.value("study.table().height() + pair.paired.n"), "4");
    book.ok("use polars::prelude::*; let sums = frame.clone().lazy().group_by([col(\"a\")]).agg([len()]).collect()?;");
    assert_eq!(book.value("sums.height()"), "2");
    // The packages' own `:dep` lines are taken from the toolkit.
    book.ok(":dep polars = \"0.55\"\n:dep plotly = { version = \"0.14\" }\nlet again = frame.height();");
    let plot = book.ok("plot");
    assert!(matches!(&plot[..], [Event::Result { data, .. }]
        if data.contains_key("application/vnd.plotly.v1+json") && data.contains_key("text/plain")));

    // Errors: name, place in the cell, and what was there before survives.
    let (_, error) = book.fails("let a = 1;\nlet y: i32 = \"a\";");
    assert_eq!((error.ename.as_str(), error.line), ("E0308", Some(2)));
    assert!(
        error.traceback.iter().any(|line| line.contains("^^^")),
        "{:?}",
        error.traceback
    );
    let (events, error) = book.fails("print!(\"so far\");\nlet k = v[n as usize + 7];");
    assert_eq!((error.ename.as_str(), error.line), ("Panic", Some(2)));
    assert!(error.evalue.contains("out of bounds"));
    assert_eq!(text(&events), "so far");
    let (_, error) = book.fails("let q = 1;\nstd::fs::read(\"/no/such/file\")?;");
    assert_eq!((error.ename.as_str(), error.line), ("UserError", Some(2)));
    assert!(error.evalue.contains("No such file"));
    assert_eq!(book.value("v.len() as i32 + n"), "8");

    // Stop: a loop that looks ends by itself, and the next cell is not stopped by the same request.
    let looks = "let scope = jook::interrupt::scope(); println!(\"on\"); let mut turns = 0;\n\
        while !scope.requested() { std::thread::sleep(std::time::Duration::from_millis(10)); turns += 1; }\n\
        drop(scope); println!(\"stopped\");";
    let (events, result) = book.stop_after_output(looks, None);
    assert_eq!(result, Ok(()));
    assert!(text(&events).ends_with("stopped\n"));
    assert_eq!(book.value("jook::interrupt::scope().requested()"), "false");
    assert_eq!(book.value("v.len() as i32 + n"), "8");

    // Completion and inspection know the variables.
    let code = "frame.heig";
    let found = book.session.complete(code, code.len()).unwrap();
    assert!(
        found.items.iter().any(|item| item.text.starts_with("height")),
        "{found:?}"
    );
    assert_eq!((found.start, found.end), (6, 10));
    assert!(book.session.inspect("frame.height", 8).unwrap().is_some());

    // A cell that does not look is killed by the second request, and the session goes on.
    let deaf = "println!(\"on\"); loop { std::thread::sleep(std::time::Duration::from_millis(10)); }";
    let (_, result) = book.stop_after_output(deaf, Some(Duration::from_millis(2300)));
    assert_eq!(result.unwrap_err().ename, "Interrupted");
    assert_eq!(book.value("1 + 1"), "2");
    let (_, error) = book.fails("std::process::exit(3)");
    assert_eq!(error.ename, "ChildDied");
    assert_eq!(book.value("2 + 2"), "4");
    assert!(book.fails("n").1.ename.starts_with('E'));

    // A fault of the session's own thread is told at once, with what it costs, and the next cell has a new session.
    book.ok("let kept = 1;");
    let failed = Instant::now();
    let (_, error) = book.fails(session::FAULT);
    assert!(
        failed.elapsed() < Duration::from_secs(60),
        "{:?}",
        failed.elapsed()
    );
    assert_eq!(error.ename, "KernelError");
    let told = error.traceback.join(" ");
    assert!(
        told.contains("a fault of the kernel") && told.contains("lost"),
        "{told}"
    );
    assert_eq!(book.value("datasets::iris()?.len()"), "150");
    assert!(book.fails("kept").1.ename.starts_with('E'));
    book.session.shutdown();
}
