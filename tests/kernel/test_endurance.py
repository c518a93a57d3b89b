"""What must hold however often it happens."""

import random
import time

import pytest

pytestmark = pytest.mark.long

TRAINING = "let run = net.train(&few.train, Recipe::new().epochs(1_000_000).batch(32))?; run.steps"


def test_a_hundred_stops_at_random_moments_of_a_training(kernel):
    setup = kernel.run(
        "let few = datasets::digits()?.few_shot(10, 1)?; let net = Mlp::new([64, 16, 10]); let mut stops = 0;"
    )
    assert setup.status == "ok", setup.reply
    # How long it takes until such a cell runs depends on the machine and on what else it does.
    begun = time.monotonic()
    first = kernel.start('println!("started");' + TRAINING)
    kernel.wait_for_output(first, "started")
    ready = time.monotonic() - begun
    kernel.interrupt()
    kernel.wait(first)
    moments = random.Random(3)
    steps = 0
    for turn in range(100):
        request = kernel.start(TRAINING + '; stops += 1; println!("{}", run.steps);')
        # Also while the cell is compiled, and in its first steps.
        time.sleep(moments.uniform(0.0, 2.5 * ready))
        kernel.interrupt()
        cell = kernel.wait(request)
        if cell.status == "ok":
            steps += int(cell.text().split()[-1])
        else:
            assert cell.reply["content"]["ename"] == "Interrupted", cell.reply
        if turn % 10 == 9:
            alive = kernel.run('println!("{} {} {}", stops, few.train.len(), net.spec()?.layers.len());')
            assert alive.status == "ok", "\n".join(alive.reply["content"]["traceback"])
            assert alive.text().split()[1:] == ["100", "3"]
    stops = int(kernel.run('println!("{stops}")').text())
    # Both kinds of moments came.
    assert 0 < stops < 100 and steps > stops
