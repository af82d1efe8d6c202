"""The living page in headless Chromium: time per character, and pictures per second while the network writes.

    python benchmarks/living_page.py [--hidden 256 512] [--characters 300] [--cell lstm]

Needs what `make browser` installs. Networks are trained for a few steps only, which changes no time. Headless Chromium
draws without a GPU, at most 60 pictures per second.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
MEASURE = """
const code = `
const { view } = lstmctl;
const { Tape, model } = view.networks[0];
const text = view.examples[0].text.repeat(9).slice(0, CHARACTERS);
const times = [];
for (let turn = 0; turn < 2; turn++) {  // the first turn warms up
  const tape = new Tape(model);
  tape.set(text);
  times.length = 0;
  for (let more = true; more; ) {
    const start = performance.now();
    more = tape.step();
    times.push(performance.now() - start);
  }
}
times.sort((a, b) => a - b);
const wait = () => new Promise((done) => requestAnimationFrame(done));
view.replace(text.slice(0, 60));
view.write(CHARACTERS);
const start = performance.now();
let pictures = 0;
while (view.writing > 0) { await wait(); pictures++; }
const seconds = (performance.now() - start) / 1000;
return { median: times[times.length >> 1], most: times[Math.floor(times.length * 0.95)], pictures: pictures / seconds };
`;
return page.evaluate("(async () => {" + code.replaceAll("CHARACTERS", CHARACTERS) + "})()");
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--characters", type=int, default=300)
    parser.add_argument("--cell", default="lstm")
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["LSTMCTL_RUNS"] = str(Path(scratch, "runs"))
        os.chdir(scratch)
        from lstmctl import train
        from lstmctl.export import export_page
        from tests.export.browsers import in_chromium

        print("| cell | hidden | page | ms per character: median, 95 % | pictures per second while it writes |")
        print("| --- | --- | --- | --- | --- |")
        for hidden in given.hidden:
            settings = [f"model.cell={given.cell}", f"model.hidden={hidden}", "training.budget=3 steps"]
            page = export_page([train("travellers", settings)], f"{hidden}.html")
            found = in_chromium(Path(page.path), MEASURE.replace("CHARACTERS)", f"{given.characters})"))
            times = f"{found['median']:.2f}, {found['most']:.2f}"
            print(
                f"| {given.cell} | {hidden} | {page.bytes / 1e6:.1f} MB | {times} | {found['pictures']:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
