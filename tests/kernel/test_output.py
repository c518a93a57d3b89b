"""Text as it is printed: at once, whole and in order."""

import time

from client import merged


def streams(kernel, code):
    """`(seconds since the first, stream, text)` of each message, as they come."""
    request = kernel.start(code)
    seen = []
    while True:
        message = kernel.kc.get_iopub_msg(timeout=60)
        if message["parent_header"].get("msg_id") != request:
            continue
        if message["msg_type"] == "stream":
            seen.append((time.monotonic(), message["content"]["name"], message["content"]["text"]))
        if message["content"].get("execution_state") == "idle":
            kernel.reply(request)
            return [(at - seen[0][0], name, text) for at, name, text in seen]


def test_a_progress_bar_of_carriage_returns_is_live(kernel):
    seen = streams(
        kernel,
        """
        use std::io::Write;
        for i in 0..10 {
            print!("\\r{i} of 10");
            std::io::stdout().flush()?;
            std::thread::sleep(std::time::Duration::from_millis(150));
        }
        println!("\\rdone");
        """,
    )
    assert "".join(text for _, _, text in seen) == "".join(f"\r{i} of 10" for i in range(10)) + "\rdone\n"
    first = next(at for at, _, text in seen if "0 of 10" in text)
    half = next(at for at, _, text in seen if "5 of 10" in text)
    assert 0.4 < half - first < 1.2, seen


def test_text_on_stderr_without_a_line_end_is_live(kernel):
    seen = streams(
        kernel,
        'for _ in 0..3 { eprint!("."); std::thread::sleep(std::time::Duration::from_millis(300)); } eprintln!();',
    )
    assert len(seen) >= 3 and "".join(text for _, _, text in seen) == "...\n"


def test_the_two_streams_keep_their_order(kernel):
    seen = streams(
        kernel,
        """
        for i in 0..500 {
            println!("{i}");
            if i % 3 == 0 { eprintln!("error {i}"); }
        }
        std::process::Command::new("sh").args(["-c", "echo a; sleep 0.2; echo b >&2; sleep 0.2; echo c"]).status()?;
        eprintln!("last");
        "result"
        """,
    )
    expected = []
    for i in range(500):
        expected.append(("stdout", f"{i}\n"))
        if i % 3 == 0:
            expected.append(("stderr", f"error {i}\n"))
    expected += [("stdout", "a\n"), ("stderr", "b\n"), ("stdout", "c\n"), ("stderr", "last\n")]
    assert merged((name, text) for _, name, text in seen) == merged(expected)


def test_what_is_printed_on_stderr_comes_before_the_result(kernel):
    for _ in range(5):
        request = kernel.start('eprintln!("working"); 42')
        kinds = [m["msg_type"] for m in kernel.iopub(request) if m["msg_type"] in ("stream", "execute_result")]
        kernel.reply(request)
        assert kinds == ["stream", "execute_result"]


def test_a_stream_that_a_cell_redirects_gets_what_is_written_and_nothing_else(kernel):
    cell = kernel.run(
        """
        use std::os::fd::AsRawFd;
        unsafe extern "C" { fn dup(fd: i32) -> i32; fn dup2(from: i32, to: i32) -> i32; }
        println!("before");
        let path = std::env::temp_dir().join(format!("jook-redirected-{}", std::process::id()));
        let file = std::fs::File::create(&path)?;
        let kept = unsafe { dup(1) };
        unsafe { dup2(file.as_raw_fd(), 1) };
        for i in 0..3 { println!("in {i}"); eprintln!("err {i}"); }
        unsafe { dup2(kept, 1) };
        println!("{:?}", std::fs::read_to_string(&path)?);
        std::fs::remove_file(&path)?;
        eprintln!("after");
        """
    )
    assert cell.text() == 'before\n"in 0\\nin 1\\nin 2\\n"\n', cell.text()
    assert cell.text("stderr") == "err 0\nerr 1\nerr 2\nafter\n"


def test_every_byte_arrives(kernel):
    cell = kernel.run(
        """
        for i in 0..50_000 { print!("{i}\\r"); if i % 7 == 0 { println!(); } }
        print!("{}", "é".repeat(1_000_000));
        print!("crlf\\r\\n\\r\\n");
        print!("end");
        """
    )
    numbers = "".join(f"{i}\r" + ("\n" if i % 7 == 0 else "") for i in range(50_000))
    assert cell.text() == numbers + "é" * 1_000_000 + "crlf\r\n\r\nend"


def test_a_hundred_thousand_lines(kernel):
    taken = {}
    for lines in (10_000, 100_000):
        start = time.monotonic()
        cell = kernel.run(f'for i in 0..{lines} {{ println!("line {{i}}"); }}')
        taken[lines] = time.monotonic() - start
        assert cell.text() == "".join(f"line {i}\n" for i in range(lines))
        # They travel together: a server cuts off a kernel that sends each by itself.
        assert len(cell.contents("stream")) < lines / 10
    # Ten times as many take ten times as long, whatever machine this is; what looks back at each line takes a hundred times.
    assert taken[100_000] < 40 * taken[10_000], taken


def test_a_question_may_follow_text_on_its_line(kernel):
    cell = kernel.run(
        """
        print!("Who? ");
        let name = input("name")?;
        println!("{name}");
        """,
        on_input=lambda request: "Jook",
    )
    assert cell.text() == "Who? Jook\n"
