"""The n-gram baseline by order: nats per character on the last tenth of a text, and its cost.

python benchmarks/ngram_baseline.py tinyshakespeare.txt
"""

from __future__ import annotations

import argparse
import platform
import time
from pathlib import Path

import numpy as np

from lstmctl.baselines import NGram, ngram, uniform
from lstmctl.data.splitting import held_out
from lstmctl.data.vocabulary import TextEncoding

ORDERS = range(1, 13)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path, help="a text in UTF-8; its first nine tenths are counted")
    text = parser.parse_args().text.read_text(encoding="utf-8")
    encoding = TextEncoding.of(text)
    symbols = np.asarray(encoding.encode(text))
    border = int(0.9 * len(symbols))
    training, scored = symbols[:border], symbols[border:]
    inner = border - held_out(border)
    print(f"Python {platform.python_version()}, numpy {np.__version__}; {border:,} characters counted\n")

    inside = NGram(training[:inner], len(encoding), max(ORDERS)).nats_by_order(training[inner:], ORDERS)
    outside = NGram(training, len(encoding), max(ORDERS)).nats_by_order(scored, ORDERS)
    print("| order | last tenth of what is counted, held out | last tenth of the text |\n| --- | --- | --- |")
    print(f"| 0 (uniform) | {uniform(len(encoding)):.4f} | {uniform(len(encoding)):.4f} |")
    for order in ORDERS:
        print(f"| {order} | {inside[order].mean():.4f} | {outside[order].mean():.4f} |")

    started = time.perf_counter()
    chosen = ngram(training[:inner], training[inner:], len(encoding)).order
    choosing = time.perf_counter()
    model = NGram(training, len(encoding), chosen)
    counting = time.perf_counter()
    model.nats(scored)
    scoring = time.perf_counter()
    print(f"\norder {chosen} is chosen among 1 to 8 in {choosing - started:.2f} s and counted in", end=" ")
    print(f"{counting - choosing:.2f} s; it scores {len(scored):,} characters in {scoring - counting:.2f} s")


if __name__ == "__main__":
    main()
