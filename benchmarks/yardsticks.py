"""Plain torch programs to compare with lstmctl in the same run: a loop that trains a recurrent language model, one that
samples from it, and a small Transformer.

The recurrent network is an embedding of 64 features, a stacked `torch.nn` module and a linear head; its loop carries
the state from window to window, clips gradients at 1 and steps an AdamW. The Transformer has the sizes and the schedule
of the best-known public recipe for a small text on a CPU.

As a program, it runs one of them in a separate process without any part of lstmctl:

python yardsticks.py steps CELL HIDDEN BATCH WINDOW COUNT TEXT    COUNT steps for every line of standard input
python yardsticks.py sample CELL HIDDEN LAYERS COUNT LENGTH       COUNT texts for every line of standard input
python yardsticks.py transformer TEXT                             once; prints its scores as JSON
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

EMBEDDING = 64
SYMBOLS = 65
"""Number of distinct symbols of sampled texts: the same as in tiny Shakespeare."""
PAST = 64
"""Characters that the Transformer sees."""


class RecurrentNetwork(nn.Module):
    """Scores of the next symbol after each of (time, batch)."""

    def __init__(self, symbols: int, cell: str, hidden: int, layers: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(symbols, EMBEDDING)
        self.recurrence = getattr(nn, {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}[cell])(EMBEDDING, hidden, layers)
        self.score = nn.Linear(hidden, symbols)

    def forward(self, symbols: Tensor, state: Any) -> tuple[Tensor, Any]:
        features, state = self.recurrence(self.embed(symbols), state)
        return self.score(features), state


def training_steps(
    text: Tensor,
    symbols: int,
    cell: str,
    *,
    hidden: int,
    batch: int,
    window: int,
    layers: int = 1,
    precision: str = "float32",
    fused: bool | None = None,
) -> Callable[[], None]:
    """A function that makes one ordinary step of training, where `text` (length,) is; it is read in `batch` lanes."""
    network = RecurrentNetwork(symbols, cell, hidden, layers).to(text.device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, fused=fused)
    coming = windows(text, batch, window)
    state: Any = None

    def step() -> None:
        nonlocal state
        begins, read, wanted = next(coming)
        with torch.autocast(text.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            scores, state = network(read, None if begins else state)
        state = tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()
        optimizer.zero_grad()
        functional.cross_entropy(scores.flatten(0, 1).float(), wanted.flatten()).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()

    return step


def captured_steps(text: Tensor, symbols: int, *, hidden: int, batch: int, window: int) -> Callable[[], None]:
    """`training_steps` of an LSTM on a GPU, recorded once as a CUDA graph that is played at every call."""
    network = RecurrentNetwork(symbols, "lstm", hidden, 1).to(text.device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, fused=True, capturable=True)
    coming = windows(text, batch, window)
    # A graph reads and writes the same memory each time.
    state = tuple(torch.zeros(1, batch, hidden, device=text.device) for _ in range(2))
    _, read, wanted = (part.clone() if isinstance(part, Tensor) else part for part in next(coming))

    def step() -> None:
        scores, after = network(read, state)
        functional.cross_entropy(scores.flatten(0, 1), wanted.flatten()).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        for part, now in zip(state, after, strict=True):
            part.copy_(now.detach())

    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):  # where torch wants the steps before a capture to be made
        for _ in range(10):
            optimizer.zero_grad(set_to_none=True)
            step()
    torch.cuda.current_stream().wait_stream(aside)
    optimizer.zero_grad(set_to_none=True)  # so that the graph allocates its own gradients
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()

    def play() -> None:
        begins, now, next_ones = next(coming)
        read.copy_(now)
        wanted.copy_(next_ones)
        if begins:
            for part in state:
                part.zero_()
        graph.replay()

    return play


def windows(text: Tensor, batch: int, window: int) -> Iterator[tuple[bool, Tensor, Tensor]]:
    """Yield windows in an endless loop: True at the start of the text, the input and the target, (window, batch)."""
    lanes = text[: len(text) // batch * batch].long().view(batch, -1).t().contiguous()
    while True:
        for start in range(0, len(lanes) - window, window):
            stop = start + window
            yield start == 0, lanes[start:stop], lanes[start + 1 : stop + 1]


def sampler(
    cell: str, *, symbols: int, hidden: int, layers: int, count: int, length: int, device: str = "cpu"
) -> Callable[[], None]:
    """A function that samples `count` texts of `length` symbols side by side, a call of the network for each symbol."""
    network = RecurrentNetwork(symbols, cell, hidden, layers).eval().to(device)

    @torch.no_grad()
    def sample() -> None:
        chosen, state = torch.zeros(1, count, dtype=torch.long, device=device), None
        for _ in range(length):
            scores, state = network(chosen, state)
            chosen = functional.softmax(scores[0] / 0.8, dim=-1).multinomial(1).t()
            chosen[0, 0].item()  # a person sees each symbol as it comes

    return sample


class Transformer(nn.Module):
    """Four blocks of width 128 with four heads each, before their sums normalised, and the embedding as the head."""

    def __init__(self, symbols: int, width: int = 128, blocks: int = 4, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.embed, self.place = nn.Embedding(symbols, width), nn.Embedding(PAST, width)
        self.attend = nn.ModuleList(nn.Linear(width, 3 * width, bias=False) for _ in range(blocks))
        self.merge = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(blocks))
        self.widen = nn.ModuleList(nn.Linear(width, 4 * width, bias=False) for _ in range(blocks))
        self.narrow = nn.ModuleList(nn.Linear(4 * width, width, bias=False) for _ in range(blocks))
        self.norms = nn.ModuleList(nn.LayerNorm(width, bias=False) for _ in range(2 * blocks + 1))
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                summed = name.startswith(("merge", "narrow"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * blocks) if summed else 0.02)

    def forward(self, symbols: Tensor) -> Tensor:  # (batch, time) -> (batch, time, symbols)
        features = self.embed(symbols) + self.place.weight[: symbols.shape[1]]
        for index, (attend, merge, widen, narrow) in enumerate(
            zip(self.attend, self.merge, self.widen, self.narrow, strict=True)
        ):
            asked = attend(self.norms[2 * index](features)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
            seen = functional.scaled_dot_product_attention(*asked, is_causal=True)
            features = features + merge(seen.transpose(1, 2).flatten(2))
            features = features + narrow(functional.gelu(widen(self.norms[2 * index + 1](features))))
        return functional.linear(self.norms[-1](features), self.embed.weight)


def train_transformer(
    text: Tensor, symbols: int, *, steps: int = 2000, batch: int = 12, seed: int = 0
) -> dict[str, float]:
    """Train on the first nine tenths of `text`; the loss in nats over the last tenth, in cold windows, and seconds."""
    started = time.perf_counter()
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    learnt, held_out = text[: len(text) * 9 // 10].long(), text[len(text) * 9 // 10 :].long()
    network = Transformer(symbols)
    matrices = [weight for weight in network.parameters() if weight.dim() == 2]
    vectors = [weight for weight in network.parameters() if weight.dim() != 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99))
    for step in range(steps):
        rate = 1e-3 * min(1, (step + 1) / 100) if step < 100 else _cosine(1e-3, 1e-4, (step - 100) / (steps - 100))
        for group in optimizer.param_groups:
            group["lr"] = rate
        starts = torch.randint(len(learnt) - PAST, (batch, 1), generator=generator)
        windows = learnt[starts + torch.arange(PAST + 1)]
        scores = network(windows[:, :-1])
        optimizer.zero_grad()
        functional.cross_entropy(scores.flatten(0, 1), windows[:, 1:].flatten()).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    network.eval()
    with torch.no_grad():
        count = (len(held_out) - 1) // PAST * PAST
        read, wanted = held_out[:count].view(-1, PAST), held_out[1 : count + 1].view(-1, PAST)
        total = sum(
            functional.cross_entropy(network(a).flatten(0, 1), b.flatten(), reduction="sum").item()
            for a, b in zip(read.split(64), wanted.split(64), strict=True)
        )
    return {"seconds": time.perf_counter() - started, "nats_per_character_cold": total / count}


def _cosine(most: float, least: float, progress: float) -> float:
    return least + (most - least) * (1 + math.cos(math.pi * progress)) / 2


def main(job: str, *given: str) -> None:
    if job == "transformer":
        text, symbols = _read(given[0])
        print(json.dumps(train_transformer(text, symbols)))
        return
    if job == "steps":
        cell, hidden, batch, window, count = given[0], *map(int, given[1:5])
        text, symbols = _read(given[5])
        step = training_steps(text, symbols, cell, hidden=hidden, batch=batch, window=window)
        run: Callable[[], object] = lambda: [step() for _ in range(count)]  # noqa: E731
    else:
        cell, hidden, layers, count, length = given[0], *map(int, given[1:5])
        run = sampler(cell, symbols=SYMBOLS, hidden=hidden, layers=layers, count=count, length=length)
    for _ in sys.stdin:
        run()
        print("done", flush=True)


def _read(path: str) -> tuple[Tensor, int]:
    """A text as numbers (length,), and how many different ones there are."""
    text = Path(path).read_text(encoding="utf-8")
    numbers = {symbol: number for number, symbol in enumerate(sorted(set(text)))}
    return torch.tensor([numbers[symbol] for symbol in text]), len(numbers)


if __name__ == "__main__":
    main(*sys.argv[1:])
