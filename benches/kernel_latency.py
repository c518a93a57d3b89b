"""How long a cell takes from request to reply. Started by `benches/kernel`.

One fixed list of cells goes through Jupyter's own client, first to warm up, then once a round, with thirty variables
alive. A cell's own computation, where it has any to speak of, is measured inside the cell and taken off. Where
evcxr_jupyter is installed, it runs the same list with the same crates (polars, dfdx, plotly and the toolkit's source
as dependencies); its first start compiles them, which takes a quarter of an hour. What the compiler needs for one line
by itself is measured beside: ratios to it say more than seconds of a machine.
"""

import argparse
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).resolve().parents[1]
CLOCK = "let clock = std::time::Instant::now();"
SAY = 'println!("own {:.6}", clock.elapsed().as_secs_f64());'

# `{i}` is another number each time: no kernel can answer from memory.
CELLS = [
    ("arithmetic", "1 + {i}"),
    ("let", "let a{i} = {i} * 2;"),
    ("function", "fn twice{i}(x: i64) -> i64 { 2 * x + {i} }\ntwice{i}(4)"),
    ("generic function", "fn larger{i}<T: PartialOrd>(a: T, b: T) -> T { if a > b { a } else { b } }\nlarger{i}(1, {i})"),
    ("boxed closure", "let f{i}: Box<dyn Fn(f64) -> f64> = Box::new(|x| x * {i} as f64);\nf{i}(2.0)"),
    ("struct with derive", "#[derive(Debug, Clone, PartialEq)]\nstruct P{i} { x: f64, y: f64 }\nP{i} { x: 1.0, y: {i} as f64 }"),
    ("text", 'format!("{} and {}", {i}, words.len())'),
    ("loop that prints", 'for k in 0..3 { println!("{}", k + {i}); }'),
    ("list of numbers", "(0..10).map(|k| k * {i}).collect::<Vec<u64>>()"),
    ("DataFrame made", 'let frame{i} = polars::df!("a" => [{i}i64, 2, 3], "b" => [0.5, 1.5, 2.5])?;'),
    ("DataFrame shown", "frame.clone()"),
    ("DataFrame grouped", 'frame.clone().lazy().group_by([col("a")]).agg([col("b").sum() * lit({i})]).collect()?'),
    ("dfdx tensor", "let t{i} = device.tensor([[{i}.0f32, 2.0], [3.0, 4.0]]);\n(t{i}.clone() * 2.0).sum::<dfdx::shapes::Rank0, _>().array()"),
    ("dfdx typed model", "let model{i} = dfdx::nn::DeviceBuildExt::build_module::<(dfdx::nn::builders::Linear<4, 8>, dfdx::nn::builders::ReLU, dfdx::nn::builders::Linear<8, 2>), f32>(&device);"),
    ("dataset loaded", "let set{i} = datasets::iris()?;\nset{i}.len()"),
    ("few-shot split", "let few{i} = digits.few_shot(5, {i})?;"),
    ("small training", CLOCK + "let run{i} = Mlp::new([64, 16, 10]).fit(&few, Recipe::new().epochs(5).seed({i}))?;" + SAY),
    ("study of four", CLOCK + 'let study{i} = Study::new("s{i}").vary("hidden", [4, 8]).seeds(2).in_memory().quiet().run(|t| Mlp::new([64, 8, 10]).hidden(t["hidden"]).fit(&few, Recipe::new().epochs(2).seed({i})))?;' + SAY),
    ("chart of the toolkit", "run.history.chart()"),
    ("chart of plotly", "let mut plot{i} = plotly::Plot::new();\nplot{i}.add_trace(plotly::Scatter::new(vec![1, 2, 3], vec![{i}, 5, 6]));\nplot{i}"),
    ("confusion matrix", "run.evaluate(&few.test)?.confusion"),
    ("redefinition", "let again = {i}.5;"),
    ("error", 'let wrong{i}: i32 = "text";'),
    ("panic", 'let v: Vec<u8> = Vec::new(); v[{i}]'),
]
FAILING = {"error", "panic"}

SETUP = [
    ':dep jook = { path = "{root}/toolkit" }\nuse jook::prelude::*;',
    "use polars::prelude::*;",
    "use dfdx::prelude::{Cpu, TensorFrom, AsArray};\nuse dfdx::tensor_ops::SumTo;",
    'let words: Vec<String> = vec!["one".into(), "two".into()]; let device = Cpu::default();',
    'let frame = polars::df!("a" => [1i64, 2, 1], "b" => [0.5, 1.5, 2.5])?;',
    "let digits = datasets::digits()?; let few = digits.few_shot(10, 1)?;",
    "let run = Mlp::new([64, 16, 10]).fit(&few, Recipe::new().epochs(5))?;",
    "".join(f"let n{k} = {k};" for k in range(12)) + "".join(f'let s{k} = String::from("{k}");' for k in range(12)),
]
PEER_SETUP = [
    ':dep polars = { version = "0.55", default-features = false, features = ["fmt", "lazy"] }\n'
    ':dep dfdx = "0.13"\n:dep plotly = "0.14"'
]


class Kernel:
    """A kernel under the stop watch."""

    def __init__(self, name):
        self.manager = KernelManager(kernel_name=name)
        self.started = time.monotonic()
        self.manager.start_kernel(cwd=str(ROOT))
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.info = time.monotonic() - self.started

    def run(self, code, timeout=120):
        """Seconds from request to reply without the cell's own, and whether it went well."""
        start = time.monotonic()
        request = self.client.execute(code)
        while True:
            reply = self.client.get_shell_msg(timeout=timeout)
            if reply["parent_header"].get("msg_id") == request:
                break
        took = time.monotonic() - start
        own = 0.0
        while True:
            message = self.client.get_iopub_msg(timeout=timeout)
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            if message["msg_type"] == "stream":
                own += sum(map(float, re.findall(r"^own ([\d.]+)$", content["text"], re.M)))
            if content.get("execution_state") == "idle":
                break
        return took - own, reply["content"]

    def restart(self):
        """As the front end's button: the old process is asked to end, a new one starts."""
        self.started = time.monotonic()
        self.manager.restart_kernel()
        self.client.wait_for_ready(timeout=60)
        self.info = time.monotonic() - self.started

    def until_printed(self, request, wanted):
        """Reads what is published until the cell has printed `wanted`."""
        while True:
            message = self.client.get_iopub_msg(timeout=120)
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] == "error":
                sys.exit("\n".join(message["content"]["traceback"]))
            if wanted in message["content"].get("text", ""):
                return

    def memory(self):
        """Bytes of the kernel and the processes it has started (proportional set size)."""
        process = psutil.Process(self.manager.provisioner.pid)
        return sum(p.memory_full_info().pss for p in [process, *process.children(recursive=True)])

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def prepare(kernel, setup, timeout=120):
    for cell in setup:
        _, reply = kernel.run(cell.replace("{root}", str(ROOT)), timeout)
        if reply["status"] != "ok":
            sys.exit("the setup failed:\n" + "\n".join(reply["traceback"]))


def measure(kernel, rounds, first, peer=False):
    """Seconds of each cell, a list a cell; the first round only warms up."""
    times = {name: [] for name, _ in CELLS}
    for turn in range(rounds + 1):
        for at, (name, code) in enumerate(CELLS):
            seconds, reply = kernel.run(code.replace("{i}", str(first + turn * len(CELLS) + at)))
            # evcxr_jupyter calls a cell that panicked a success.
            if (reply["status"] == "ok") == (name in FAILING) and not (peer and name in FAILING):
                sys.exit(f"{name}: {reply['status']}\n" + "\n".join(reply.get("traceback", [])))
            if turn:
                times[name].append(seconds)
    return times


FIRST_CELL = ':dep jook = { path = "%s/toolkit" }\nuse jook::prelude::*;\nlet iris = datasets::iris()?; iris.len()' % ROOT


def starts(name, n):
    """Median seconds from process start to kernel_info, and to the first cell that uses the toolkit; and both from
    the moment that the user asks for a restart."""
    seconds = {"info": [], "first": [], "restarted info": [], "restarted first": []}
    for _ in range(n):
        kernel = Kernel(name)
        for kind in ("", "restarted "):
            if kind:
                kernel.restart()
            seconds[kind + "info"].append(kernel.info)
            kernel.run(FIRST_CELL)
            seconds[kind + "first"].append(time.monotonic() - kernel.started)
        kernel.close()
    return {name: statistics.median(all) for name, all in seconds.items()}


def bare_rustc(n=15):
    """Median seconds of the compiler alone, on a library of one line: what no kernel that compiles can go below."""
    toolchain = subprocess.run(["rustc", "--print", "sysroot"], cwd=ROOT, capture_output=True, text=True, check=True)
    rustc = Path(toolchain.stdout.strip()) / "bin/rustc"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "one.rs")
        source.write_text('#[unsafe(no_mangle)] pub extern "C" fn one() -> u64 { 1 }\n')
        command = [rustc, "--edition", "2024", "--crate-type", "cdylib", source, "-o", Path(folder, "libone.so")]
        seconds = []
        for _ in range(n + 1):
            begun = time.perf_counter()
            subprocess.run(command, check=True)
            seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds[1:])


def endure(n):
    """Many cells in one session: every answer right, and the last as quick as the first."""
    kernel = Kernel("jook")
    prepare(kernel, SETUP + ["let mut sum: u64 = 0;"])
    seconds = []
    for at in range(n):
        took, reply = kernel.run(f"sum += {at}; assert_eq!(sum, {at * (at + 1) // 2}); sum")
        if reply["status"] != "ok":
            sys.exit(f"cell {at}: " + "\n".join(reply["traceback"]))
        seconds.append(took)
    second, last = statistics.median(seconds[100:200]), statistics.median(seconds[-100:])
    print(f"{n} cells, all right; the second hundred {second:.3f} s, the last {last:.3f} s a cell: "
          f"{100 * (last / second - 1):+.0f}% (goal within 20%)")
    kernel.close()


# Work of hours, of which a Stop keeps what there is.
ENDLESS = {
    "training": 'println!("begun");\nlet run = Mlp::new([64, 32, 10]).train(&digits, Recipe::new().epochs(1_000_000).batch(32).sgd(0.01))?;',
    "study": 'println!("begun");\nlet study = Study::new("stopped").vary("hidden", [8, 16]).seeds(2_000).in_memory()'
    '.run(|t| Mlp::new([64, 8, 10]).hidden(t["hidden"]).fit(&few, Recipe::new().epochs(500).batch(32).sgd(0.05).seed(t.seed())))?;',
}
KEPT = {"training": "assert!(run.history().len() > 0);", "study": "assert!(study.table().height() > 0);"}


def stops(n):
    """Seconds from a Stop at a random moment of a training or study to the reply, which is of a cell that went well and
    kept what it had."""
    kernel = Kernel("jook")
    prepare(kernel, SETUP)
    chance = random.Random(1)
    seconds = []
    for turn in range(n):
        kind = list(ENDLESS)[turn % len(ENDLESS)]
        request = kernel.client.execute(ENDLESS[kind])
        kernel.until_printed(request, "begun")
        time.sleep(chance.uniform(0.2, 2.0))
        start = time.monotonic()
        control = kernel.client.session.msg("interrupt_request", {})
        kernel.client.control_channel.send(control)
        while (reply := kernel.client.get_shell_msg(timeout=60))["parent_header"].get("msg_id") != request:
            pass
        seconds.append(time.monotonic() - start)
        if reply["content"]["status"] != "ok":
            sys.exit(f"stop {turn}: " + "\n".join(reply["content"]["traceback"]))
        _, kept = kernel.run(KEPT[kind])
        if kept["status"] != "ok":
            sys.exit(f"stop {turn} kept nothing: " + "\n".join(kept["traceback"]))
    seconds.sort()
    print(f"{n} stops, all kept what there was: median {statistics.median(seconds) * 1e3:.0f} ms, "
          f"95th percentile {seconds[int(0.95 * n)] * 1e3:.0f} ms, longest {seconds[-1] * 1e3:.0f} ms (goal 200)")
    kernel.close()


ADDING = ':dep itertools = "0.14"\nuse itertools::Itertools;\n[3, 1, 2].iter().sorted().join(" ")'


def dependencies(rounds):
    """What `:dep` of a crate costs: where another kernel has built it, and in every later cell. Two kernels take turns
    cell by cell, so that what else the machine does meanwhile hits both."""
    for _ in range(2):
        plain, adding = Kernel("jook"), Kernel("jook")
        prepare(plain, SETUP)
        prepare(adding, SETUP)
        took, reply = adding.run(ADDING, timeout=600)
        if reply["status"] != "ok":
            sys.exit("the crate could not be added:\n" + "\n".join(reply["traceback"]))
        seconds = ([], [])
        for turn in range(rounds):
            for at, (_, code) in enumerate(CELLS):
                cell = code.replace("{i}", str(1000 + turn * len(CELLS) + at))
                for kernel, times in zip((plain, adding), seconds):
                    times.append(kernel.run(cell)[0])
        plain.close()
        adding.close()
        without, behind = map(statistics.median, seconds)
        ratio = statistics.median(more / less for less, more in zip(*seconds))
        print(f":dep itertools {took:.1f} s; a cell {without:.3f} s without it, {behind:.3f} s behind it: "
              f"{100 * (ratio - 1):+.0f}% (median of the pairs, goal within 20%)")


# Each guard that a kernel times by itself, with what it stands for.
GUARDS = {
    "copies": "no copy of the session, which answers completions, is at work when a cell is",
    "text": "what is printed is text: pipes of the kernel's own, empty before a cell is over",
    "groups": "keepers, which take with them all that was started below",
    "changes": "compiler and toolkit are the ones that the kernel has started with",
    "anchors": "evcxr writes what the kernel knows",
}


def guards(rounds):
    """What share of a cell each of the guards around it takes. Those within the kernel's processes note their times;
    the network's are in every message, so that the way of an empty one there and back is more than they take; after a
    completion, a cell also pays for the memory that it shared with the copy that answered."""
    def milliseconds(seconds):
        return f"{1e3 * seconds:7.2f} ms"

    with tempfile.NamedTemporaryFile() as noted:
        plain = Kernel("jook")
        os.environ["JOOK_GUARDS"] = noted.name
        noting = Kernel("jook")
        del os.environ["JOOK_GUARDS"]
        asked = Kernel("jook")
        kernels = plain, noting, asked
        for kernel in kernels:
            prepare(kernel, SETUP)
        measure(plain, 0, 1000)
        measure(asked, 0, 1000)
        measure(noting, 0, 1000)
        noted.truncate(0)
        seconds, ways = ([], [], []), []
        for turn in range(rounds):
            for at, (_, code) in enumerate(CELLS):
                cell = code.replace("{i}", str(2000 + turn * len(CELLS) + at))
                # As a person does who writes a cell. The answer stands aside from what is measured.
                asked.client.complete("frame.", 6, reply=True, timeout=60)
                for kernel, times in zip(kernels, seconds):
                    times.append(kernel.run(cell)[0])
                begun = time.monotonic()
                plain.client.kernel_info(reply=True, timeout=60)
                ways.append(time.monotonic() - begun)
        spent = dict.fromkeys(GUARDS, 0.0)
        for line in Path(noted.name).read_text().splitlines():
            name, took = line.split()
            spent[name] += float(took)
    for kernel in kernels:
        kernel.close()
    cell = statistics.median(seconds[0])
    after = statistics.median(more - less for less, _, more in zip(*seconds))
    rows = [(words, spent[name] / len(seconds[0])) for name, words in GUARDS.items()]
    rows.append(("bounds, signatures, replays: an empty message there and back", statistics.median(ways)))
    rows.append(("a completion before the cell (median of the differences)", after))
    print(f"a cell takes {milliseconds(cell)}; of it, a cell (goal: each at most 5%)")
    for words, took in rows:
        print(f"  {milliseconds(took)} {100 * took / cell:5.1f}%  {words}")


def peer_of(prefix):
    """A kernelspec of evcxr_jupyter, when it is installed."""
    program = shutil.which("evcxr_jupyter") or Path.home() / ".cargo/bin/evcxr_jupyter"
    if not Path(program).exists():
        return None
    folder = prefix / "share/jupyter/kernels/evcxr"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(
        '{"argv": ["%s", "--control_file", "{connection_file}"], "display_name": "evcxr", "language": "rust"}' % program
    )
    return "evcxr"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("jook")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cells", type=int, default=200, help="further cells, for the memory they leave")
    parser.add_argument("--endurance", type=int, default=0, metavar="N",
                        help="instead, run N small cells in one session and compare the second hundred with the last")
    parser.add_argument("--stop", type=int, default=0, metavar="N",
                        help="instead, stop N trainings and studies at random moments and tell how long that takes")
    parser.add_argument("--dep", action="store_true",
                        help="instead, add a crate by :dep and compare cells before and after")
    parser.add_argument("--guards", action="store_true",
                        help="instead, tell what share of a cell each guard around it takes")
    parser.add_argument("--without-peer", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        prefix = Path(folder)
        os.environ["JOOK_HISTORY"] = "off"  # thousands of cells that nobody wants to search
        os.environ["JUPYTER_PATH"] = str(prefix / "share/jupyter")
        subprocess.run([options.jook, "install", "--prefix", prefix], check=True, stdout=subprocess.DEVNULL)
        if options.endurance:
            return endure(options.endurance)
        if options.stop:
            return stops(options.stop)
        if options.dep:
            return dependencies(options.rounds)
        if options.guards:
            return guards(options.rounds)
        starts("jook", 1)  # a warm disk
        start = starts("jook", 3)
        kernel = Kernel("jook")
        prepare(kernel, SETUP)
        idle = kernel.memory()
        # Before and after, so that both see the machine in the same mood.
        bare = [bare_rustc()]
        times = measure(kernel, options.rounds, 1000)
        bare = statistics.median([*bare, bare_rustc()])
        peer_times = {}
        peer = None if options.without_peer else peer_of(prefix)
        if peer:
            other = Kernel(peer)
            prepare(other, PEER_SETUP + SETUP, timeout=3600)
            peer_times = measure(other, options.rounds, 1000, peer=True)
            other.close()
        print(f"{'cell':<24}{'Jook':>8}{'evcxr_jupyter' if peer else '':>16}")
        for name, seconds in times.items():
            line = f"{name:<24}{statistics.median(seconds):>7.2f}s"
            if peer:
                theirs = statistics.median(peer_times[name])
                line += f"{theirs:>15.2f}s {theirs / statistics.median(seconds):>6.1f}x"
            print(line)
        everything = sorted(t for seconds in times.values() for t in seconds)
        median, ninetieth = statistics.median(everything), everything[int(0.9 * len(everything))]
        print(f"\nmedian {median:.2f} s (goal 0.40), 90th percentile {ninetieth:.2f} s (goal 0.90), "
              f"1+1 {statistics.median(times['arithmetic']):.2f} s (goal 0.25)")
        if peer:
            theirs = statistics.median(t for seconds in peer_times.values() for t in seconds)
            print(f"evcxr_jupyter's median {theirs:.2f} s: {theirs / median:.1f}x (goal 5.0x)")
        print(f"a bare rustc on one line {bare:.3f} s: the median cell is {median / bare:.1f} of it (goal 3.0), "
              f"the first toolkit cell after start {start['first'] / bare:.0f} (goal 41: half of 2026-11-29's 82)")
        for kind, words in (("", "start"), ("restarted ", "restart")):
            print(f"kernel_info {start[kind + 'info']:.2f} s after {words} (goal 1.0), "
                  f"first toolkit cell {start[kind + 'first']:.1f} s (goal 6.0)")
        for at in range(options.cells):
            kernel.run(f"let more = {at} + 1;")
        grown = kernel.memory() - idle
        print(f"memory {idle / 2**30:.2f} GiB idle (goal 1.5), {grown / 2**20:+.0f} MiB after "
              f"{options.cells + len(CELLS) * (options.rounds + 1)} cells (goal 150 after 200)")
        kernel.close()


main()
