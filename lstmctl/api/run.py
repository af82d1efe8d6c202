"""A finished or stopped run, ready for use."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lstmctl import registry
from lstmctl.api.frames import is_frame, table_of
from lstmctl.api.trained import Trained
from lstmctl.api.writing import Writing, author
from lstmctl.data.splitting import reported_part
from lstmctl.data.vocabulary import TextEncoding, UnknownSymbolError
from lstmctl.errors import UsageError
from lstmctl.progress import report
from lstmctl.reporting import html, notebook
from lstmctl.reporting.history import read_history
from lstmctl.reporting.live_work import shown_work
from lstmctl.reporting.run_page import run_summary
from lstmctl.results.evaluation import Evaluation, Score
from lstmctl.results.forecasts import Backtest, Forecasts
from lstmctl.results.output import Generated, Predictions
from lstmctl.runs.folder import find_run, runs_root
from lstmctl.sampling_settings import Sampling
from lstmctl.statistics import diagnose, lead
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
    """Open a run: a folder, a name under the runs folder, or by default the newest that was trained.

    Args:
        task: if no run is named, the newest of this task is opened; with groups of tasks, the newest of the first group
            that has any.
        trust: allow a run whose cell is a user's own class to import it.
        device: the device to compute on; a run trained on a GPU works on a CPU.
        overrides: the new location of the run's own data, such as `data.text=PATH`.

    Raises:
        RunError: the run does not exist or is damaged.
        ConfigError: its cell needs `trust`.
        UsageError: an override changes anything else.
    """
    tasks = [[task]] if isinstance(task, str) else task
    folder = find_run(str(name) if name is not None else None, runs_root(), tasks)
    return Run(folder, trust=trust, device=device, overrides=overrides)


class Run(Trained):
    """A finished or stopped run, with methods to use it."""

    def evaluate(
        self,
        split: str | None = None,
        file: Any = None,
        *,
        baselines: Sequence[str] = (),
        dynamic: bool = False,
        cache: bool = False,
        quiet: bool = False,
    ) -> Evaluation:
        """Score the run in float32, along with simple baselines.

        Args:
            split: the part of the run's own data: training, validation or test; by default test if there is one, else
                validation.
            file: a file, folder or data frame to score instead, as a whole.
            baselines: further baselines of a forecast, by their names in `registry.BASELINES`.
            dynamic: also score a language model that learns as it reads; see `tasks.dynamic_evaluation`.
            cache: also score it with a cache of the text it has read; see `tasks.neural_cache`.
            quiet: show no progress.

        Raises:
            UsageError: a baseline is unknown, or its package is missing; or `dynamic` or `cache` does not
                apply to the run.
            DataError: the data is missing, has changed, is too short, or contains something that the run does not know.
        """
        if file is not None:
            split = None
        corpus = self.corpus() if file is None else self.task.read([_path_of(file)])
        part = split or reported_part(corpus.parts)
        if part not in corpus.parts:
            raise UsageError(f"{self.name} has no {part} part; it has {', '.join(corpus.parts)}")
        for caveat in self.task.caveats_on(corpus, part, is_own=file is None):
            log.warning("%s", caveat)
        called = part if file is None else str(file)
        with shown_work(quiet=quiet):
            if baselines:
                report("computing baselines")
            others = self.task.named_references(corpus, part, baselines)
            own = self.score(corpus, part, lambda done, total: report(f"scoring {called}", done / max(1, total)))
            metrics, notes = dict[str, float](), []
            for scored in [self.task.dynamic] * dynamic + [self.task.with_cache] * cache:
                data = self.task.part(corpus, part, self.device)
                found, said = scored(self.model, corpus if file is None else self.corpus(), data, self.device)
                metrics |= found
                notes.append(said)
            report("computing baselines")
            static = self.evaluation(corpus, part, called, own, others)
            return replace(static, metrics={**static.metrics, **metrics}, notes=(*static.notes, *notes))

    def by_length(self, corpus: Corpus, part: str) -> dict[int, dict[str, float]]:
        """Return the metrics of further tests of a part by the length of their sequences, if the data has any."""
        longer = self.task.longer(corpus, part, self.device)
        return {length: dict(self.task.evaluate(self.model, one).metrics) for length, one in longer.items()}

    def evaluation(
        self,
        corpus: Corpus,
        part: str,
        called: str,
        own: Score | None = None,
        others: Mapping[str, Score] | None = None,
    ) -> Evaluation:
        """Score the run and simple baselines on one part of data in the run's own encoding. `called` is the part's name
        in the result, `own` the run's score if it is known, and `others` the scores of further baselines."""
        scores = {"run": own or self.score(corpus, part), **self.task.references(corpus, part), **(others or {})}
        scores = self.task.relative(corpus, part, scores)
        primary = self.task.primary
        rows = {name: score.rows for name, score in scores.items() if score.rows is not None}
        leads = {
            name: lead(rows["run"], theirs, lower_is_better=primary.lower_is_better is not False)
            for name, theirs in rows.items()
            if name != "run" and "run" in rows
        }
        traces = {name: score.traces for name, score in scores.items() if score.traces is not None}
        return Evaluation(
            run=str(self.path),
            split=called,
            metrics=scores["run"].metrics,
            baselines={name: score.metrics for name, score in scores.items() if name != "run"},
            windows=scores["run"].windows,
            by_channel={name: score.by_channel for name, score in scores.items() if score.by_channel},
            by_step={name: score.by_step for name, score in scores.items() if score.by_step},
            by_series={name: score.by_series for name, score in scores.items() if score.by_series},
            by_label=scores["run"].by_label,
            confusion=scores["run"].confusion,
            counted="sequences" if self.task.unit == "sequences" else "windows",
            primary=primary.name,
            leads=leads,
            diagnostics=diagnose(traces) if "run" in traces else None,
            by_length=self.by_length(corpus, part) if called == part else {},
            warnings=self.task.warnings(corpus, part),
            notes=(
                *scores["run"].notes,
                *self.task.unknown(corpus, part),
                *self.task.notes(corpus, part if called == part else "", chosen=self.info.get("headline") == "best"),
                *_final_note(self.info),
            ),
        )

    def forecast(self, data: Any = None, *, intervals: str = "calibrated") -> Forecasts:
        """Forecast every series from its last row on; `data` is a newer table, as a path or a data frame. `intervals`
        are `calibrated` or `adaptive`; see `forecasting.forecast`."""
        from lstmctl.api import forecasting  # other tasks need nothing of what it imports

        return Forecasts(forecasting.forecast(self, None if data is None else _path_of(data), intervals=intervals))

    def sample_paths(self, file: str | Path | None = None, *, count: int = 1, seed: int | None = None) -> Forecasts:
        """Draw sample paths of every series; see `forecasting.sample_paths`."""
        from lstmctl.api import forecasting

        return Forecasts(forecasting.sample_paths(self, None if file is None else str(file), count=count, seed=seed))

    def backtest(self, **settings: Any) -> Backtest:
        """Forecast from rolling origins in the held-out part; see `backtesting.backtest`."""
        from lstmctl.api import backtesting

        return backtesting.backtest(self, **settings)

    def predict(self, *data: Any, texts: Iterable[str] = (), quiet: bool = False) -> Predictions:
        """Predict labels, numbers, another text, or the symbol that follows a text.

        Args:
            data: files, data frames, or lists of texts. A file is a table, or a file of pairs, which needs only the
                inputs; for a language model, a file with one text per line; for sound, an audio file or a folder of
                them. Other columns of a table are kept in `Prediction.columns`.
            texts: single texts instead.
            quiet: show no progress.

        Raises:
            DataError: the file is missing or cannot be read.
            UsageError: neither or both are given, or the run's task does not predict from sequences.
        """
        tables = [one for one in data if isinstance(one, str | Path) or is_frame(one)]
        files = [_path_of(one) for one in tables]
        lists = [one for one in data if one is not None and not any(one is table for table in tables)]
        given = [text for one in (*lists, texts) for text in one]
        if wrong := next((text for text in given if not isinstance(text, str)), None):
            raise UsageError(f"a text must be a str, not {type(wrong).__name__}")
        if (not files) == (not given):
            raise UsageError("give either a FILE or texts: with --text, or in Python as a list")
        parts = [self.task.of_file(file) for file in files] or [self.task.of_texts(given)]
        with shown_work(quiet=quiet):
            found = [self.task.predictions(self.model, part, self.device) for part in parts]
        return Predictions(one for of_part in found for one in of_part)

    def inspect(self, what: str, *, quiet: bool = False, **settings: Any) -> Any:
        """Inspect the network: `gates`, `memory`, `gradients` or `recall`.

        Args:
            what: one of these.
            quiet: show no progress.
            settings: arguments of `inspect_gates`, `inspect_memory`, `inspect_gradients` or `inspect_recall`.

        Returns:
            The findings. A notebook displays them, and their `plot()` method returns a matplotlib figure.

        Raises:
            UsageError: the inspection does not exist, or the run cannot be inspected.
            DataError: the data is missing or unsuitable.
        """
        inspection = registry.function(what, registry.INSPECTIONS)
        with shown_work(quiet=quiet):
            return inspection(self, **settings)

    def plot(self, name: str | None = None) -> Any:
        """Return a plot of the run as a matplotlib figure: by default its curves.

        Args:
            name: another of its report's plots, such as `forecasts`, `steps` or `confusion`.

        Raises:
            UsageError: the run has no plot of this name.
        """
        return notebook.figure_of(run_summary(read_history(self.path)), name or "curves")

    def _repr_html_(self) -> str:
        """Return the scores of the run and its baselines as HTML, for notebooks."""
        return html.fragment(run_summary(read_history(self.path)))

    def generate(self, prompt: str = "", **settings: Any) -> list[Generated]:
        """Continue a text; `settings` are the arguments of `write`."""
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
        """Start generating texts that continue `prompt`, symbol by symbol (`steps`) or completely (`finish`).

        Args:
            prompt: the beginning of the text; empty starts a new text.
            label: the label to generate for, if the task is generation-from-label; the text may end before `length`.
            length: maximum number of symbols to generate.
            count: number of texts to generate in parallel.
            sampling: temperature and truncation; by default as on the command line.
            stop: end a text before this string.
            seed: the seed for sampling; the run's own by default.
            replace_unknown: replace symbols in the prompt that the run never saw by known ones.
            precision: precision of the products: float32, or bfloat16 or int8, which are faster and less exact.

        Raises:
            UsageError: the prompt contains an unknown symbol, the label is unknown or missing, a setting is out of
                range, or the run's task generates no text.
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
                f"the prompt contains {error} (counted from 0), which {self.name} never saw in training",
                hint="--replace-unknown uses the most similar known symbol instead",
            ) from error


def _final_note(info: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a note if forecasts use other weights than the scores."""
    final = info.get("final_fit")
    if not isinstance(final, Mapping):
        return ()
    steps = f"{final.get('steps'):,} steps"
    how = f"anew, in {steps}" if final.get("how") == "anew" else f"{steps} further"
    return (
        f"Forecasts use weights that were trained {how}, on all rows (task.final_fit); the scores are from the weights "
        "before that, which were not trained on the rows they are scored on.",
    )


def _path_of(data: Any) -> str:
    """Return the path of a table; a data frame is first written to the cache."""
    return table_of(data) if is_frame(data) else str(data)
