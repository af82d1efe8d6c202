"""A finished or stopped run, ready for use."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from lstmctl import registry
from lstmctl.api import backtesting, forecasting
from lstmctl.api.trained import Trained
from lstmctl.api.writing import Writing, author
from lstmctl.data.encoding import TextEncoding, UnknownSymbolError
from lstmctl.data.splitting import reported_part
from lstmctl.decoding import Sampling
from lstmctl.errors import UsageError
from lstmctl.reporting import html, notebook
from lstmctl.reporting.history import read_history
from lstmctl.reporting.run_page import run_summary
from lstmctl.results.evaluation import Evaluation, Score
from lstmctl.results.forecasts import Backtest, Forecasts
from lstmctl.results.output import Generated, Prediction
from lstmctl.runs.folder import find_run, runs_root
from lstmctl.statistics import lead
from lstmctl.tasks.problem import Corpus

log = logging.getLogger(__name__)


def load_run(
    name: str | Path | None = None,
    *,
    task: str | Sequence[Collection[str]] = (),
    trust: bool = False,
    device: str = "cpu",
    overrides: Sequence[str] = (),
) -> Run:
    """Open a run: a folder, a name under the runs folder, or by default the newest that has learned something.

    Args:
        task: where no run is named, the newest of this task is meant; or of groups of tasks, the newest of the first
            group that has any.
        trust: allow a run whose cell is a user's own class to import that class.
        device: where to compute; a run made on a GPU works on a CPU.
        overrides: where the run's own data now is, such as `data.text=PATH`.

    Raises:
        RunError: there is no such run, or it is damaged.
        ConfigError: its cell needs `trust`.
        UsageError: an override says something else.
    """
    tasks = [[task]] if isinstance(task, str) else task
    folder = find_run(str(name) if name is not None else None, runs_root(), tasks)
    return Run(folder, trust=trust, device=device, overrides=overrides)


class Run(Trained):
    """A finished or stopped run, and what can be done with it."""

    def evaluate(self, split: str | None = None, file: str | Path | None = None) -> Evaluation:
        """Score the run, in float32, with simple baselines beside it.

        Args:
            split: the part of the run's own data: training, validation or test; by default test if there is one, else
                validation.
            file: a file or folder to score instead, all of it.

        Raises:
            DataError: the data is missing, has changed or is too short, or has what the run does not know.
        """
        if file is not None:
            split = None
        corpus = self.corpus() if file is None else self.task.read([str(file)])
        part = split or reported_part(corpus.parts)
        if part not in corpus.parts:
            raise UsageError(f"{self.name} has no {part} part; it has {', '.join(corpus.parts)}")
        for caveat in self.task.caveats_on(corpus, part, is_own=file is None):
            log.warning("%s", caveat)
        return self.evaluation(corpus, part, part if file is None else str(file))

    def evaluation(self, corpus: Corpus, part: str, called: str, own: Score | None = None) -> Evaluation:
        """Score the run on one part of data that is encoded as its own, with simple baselines beside it; `called` is
        the part's name in the result, and `own` the run's score, if it is known."""
        scores = {"run": own or self.score(corpus, part), **self.task.references(corpus, part)}
        primary = self.task.primary
        rows = {name: score.rows for name, score in scores.items() if score.rows is not None}
        leads = {
            name: lead(rows["run"], theirs, lower_is_better=primary.lower_is_better is not False)
            for name, theirs in rows.items()
            if name != "run" and "run" in rows
        }
        return Evaluation(
            run=str(self.path),
            split=called,
            metrics=scores["run"].metrics,
            baselines={name: score.metrics for name, score in scores.items() if name != "run"},
            windows=scores["run"].windows,
            by_channel={name: score.by_channel for name, score in scores.items() if score.by_channel},
            by_step={name: score.by_step for name, score in scores.items() if score.by_step},
            by_label=scores["run"].by_label,
            confusion=scores["run"].confusion,
            counted="sequences" if self.task.unit == "sequences" else "windows",
            primary=primary.name,
            leads=leads,
            warnings=self.task.warnings(corpus, part),
            notes=(
                *scores["run"].notes,
                *self.task.unknown(corpus, part),
                *self.task.notes(corpus, part if called == part else "", chosen=self.info.get("headline") == "best"),
            ),
        )

    def forecast(self, file: str | Path | None = None) -> Forecasts:
        """How every series goes on; see `forecasting.forecast`."""
        return Forecasts(forecasting.forecast(self, None if file is None else str(file)))

    def sample_paths(self, file: str | Path | None = None, *, count: int = 1, seed: int | None = None) -> Forecasts:
        """Ways in which every series may go on; see `forecasting.sample_paths`."""
        return Forecasts(forecasting.sample_paths(self, None if file is None else str(file), count=count, seed=seed))

    def backtest(self, **settings: Any) -> Backtest:
        """Forecast from many origins of the held-out part; see `backtesting.backtest`."""
        return backtesting.backtest(self, **settings)

    def predict(self, data: str | Path | Iterable[str] | None = None, *, texts: Iterable[str] = ()) -> list[Prediction]:
        """Predict labels, numbers, another text, or the symbol that follows a text.

        Args:
            data: a file or a list of texts. A file is a table, or a file of pairs, of which only what is read needs to
                be there; for a language model, a file with one text per line. Other columns of a table are kept in
                `Prediction.columns`.
            texts: single texts instead.

        Raises:
            DataError: the file is missing, or cannot be read.
            UsageError: neither or both are given, or the run's task predicts nothing from sequences.
        """
        file = str(data) if isinstance(data, str | Path) else None
        listed: Iterable[str] = () if data is None or isinstance(data, str | Path) else data
        given = [*listed, *texts]
        if wrong := next((text for text in given if not isinstance(text, str)), None):
            raise UsageError(f"a text must be a str, not {type(wrong).__name__}")
        if (file is None) == (not given):
            raise UsageError("give either a FILE or texts, by --text or in Python as a list")
        part = self.task.of_texts(given) if file is None else self.task.of_file(file)
        return self.task.predictions(self.model, part, self.device)

    def inspect(self, what: str, **settings: Any) -> Any:
        """Look inside the network: `gates`, `memory`, `gradients` or `recall`.

        Args:
            settings: of `inspect_gates`, `inspect_memory`, `inspect_gradients` or `inspect_recall` in `inspection`.

        Returns:
            What was found (`findings`). It shows itself in a notebook, and its `plot()` is a matplotlib figure.

        Raises:
            UsageError: there is no such inspection, or the run cannot be inspected.
            DataError: the data is missing or unfit.
        """
        return registry.function(what, registry.INSPECTIONS)(self, **settings)

    def plot(self, name: str | None = None) -> Any:
        """Return a plot of the run as a matplotlib figure: by default its curves.

        Args:
            name: another of its report's plots, such as `forecasts`, `steps` or `confusion`.

        Raises:
            UsageError: the run has no such plot.
        """
        return notebook.figure_of(run_summary(read_history(self.path)), name or "curves")

    def _repr_html_(self) -> str:
        """What the run reached, beside its baselines, as a notebook shows it."""
        return html.fragment(run_summary(read_history(self.path)))

    def generate(self, prompt: str = "", **settings: Any) -> list[Generated]:
        """Continue a text; `settings` are those of `write`."""
        return self.write(prompt, **settings).finish()

    def write(
        self,
        prompt: str = "",
        *,
        label: str | None = None,
        length: int = 400,
        count: int = 1,
        sampling: Sampling | None = None,
        stop: str | None = None,
        seed: int | None = None,
        replace_unknown: bool = False,
        precision: str = "float32",
    ) -> Writing:
        """Texts that continue `prompt`, to be taken symbol by symbol (`steps`) or whole (`finish`).

        Args:
            prompt: what stands before; empty starts a new text.
            label: what the text is written for, by a run of generation-from-label; it may end before `length`.
            length: symbols to write at most.
            count: texts to write side by side.
            sampling: temperature and truncation; by default as on the command line.
            stop: end a text before this string.
            seed: of the draws; the run's own by default.
            replace_unknown: put known symbols in place of those in the prompt that the run never saw.
            precision: of the products in a step: float32, or bfloat16 or int8, which are faster and less exact.

        Raises:
            UsageError: the prompt has an unknown symbol, the label is unknown or lacking, a setting is out of range, or
                the run's task writes no text.
        """
        writes = author(self, label, precision)
        return Writing(
            writes,
            prompt,
            self._encode(writes.encoding, prompt, replace_unknown),
            device=self.device,
            length=length,
            count=count,
            sampling=sampling or Sampling(),
            stop=stop,
            seed=self.settings.seed if seed is None else seed,
        )

    def _encode(self, encoding: TextEncoding, prompt: str, replace_unknown: bool) -> list[int]:
        if replace_unknown:
            prompt = "".join(encoding.nearest(symbol) for symbol in prompt)
        try:
            return [int(number) for number in encoding.encode(prompt)]
        except UnknownSymbolError as error:
            raise UsageError(
                f"the prompt holds {error} (counted from 0), which {self.name} never saw in training",
                hint="--replace-unknown puts the nearest known symbol in its place",
            ) from error
