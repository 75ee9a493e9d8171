"""TRL's GRPO trainer with our rollouts, our reference model and our step records.

What is TRL's stays TRL's: prompts in groups, advantages, the clipped loss, the optimizer step. What is overridden is
where completions come from (a rollout backend on the method's merged weights), what the reference is (the frozen base
itself, never a disabled adapter: huggingface/trl#6688, and PiSSA-like methods change the base), and how completions are
scored: without padding, and only those that the gradient depends on.
"""

import time
from statistics import fmean
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers.trainer_callback import PrinterCallback
from trl import GRPOTrainer

from rlvr_bench.experiment.settings import GrpoSettings
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.generate.stop_texts import finish
from rlvr_bench.generate.stopping import StopTexts
from rlvr_bench.measure.rollouts import Rollouts
from rlvr_bench.methods.base.plain import in_training_mode
from rlvr_bench.stats.clip_drift import Clip
from rlvr_bench.tasks.problem import Problem, Verdict
from rlvr_bench.tasks.strategies import STRATEGIES
from rlvr_bench.tasks.verdicts import verify_all
from rlvr_bench.train import processes, proof, scorer, sharded
from rlvr_bench.train.advantages import whitened
from rlvr_bench.train.fork import Fork, fork_metrics
from rlvr_bench.train.grpo_arguments import grpo_arguments
from rlvr_bench.train.ledger import Shape
from rlvr_bench.train.log_probs import k3
from rlvr_bench.train.pay import pay
from rlvr_bench.train.probe import Probe
from rlvr_bench.train.scorer import Rows
from rlvr_bench.train.seeds import derive
from rlvr_bench.train.sharded import ShardedCopy
from rlvr_bench.train.step_guard import StepGuard
from rlvr_bench.train.step_metrics import record_strategies, record_verdicts, share_metrics
from rlvr_bench.train.training_run import StepSink, TrainingRun, begin


class RolloutTrainer(GRPOTrainer):
    """GRPO on completions of a rollout backend."""

    def __init__(self, run: TrainingRun[GrpoSettings], sink: StepSink) -> None:
        self._run = run
        self._sink = sink
        self._batches = 0
        self._entropies: list[list[float]] | None = None
        self._texts: list[str] = []
        self._truncated: list[bool] = []
        self._kept: list[list[bool]] = []
        self._scoring_seconds = 0.0
        self._shape = Shape.of(run.reference)
        self.update_backend = proof.choose(
            run.settings.update_backend,
            (run.handle.model, run.reference),
            run.prompt_ids,
            run.settings.max_new_tokens,
        )
        settings = run.settings
        handle = run.handle
        optimizer = handle.create_optimizer(run.learning_rate, settings.weight_decay, settings.betas)
        begin(run, settings.steps)
        self._guard = StepGuard(run)
        self._sharded = ShardedCopy(handle, optimizer, run.interventions) if sharded.asked() else None
        self._steps_before = run.meter.steps
        super().__init__(
            model=handle.model if self._sharded is None else self._sharded.model,
            reward_funcs=self._score,
            args=grpo_arguments(run),
            # Numbers in place of texts: what a prompt is for the model follows from the problem (`_tokenize_prompts`).
            train_dataset=Dataset.from_dict(
                {"prompt": [str(i) for i in range(len(run.problems))], "problem": list(range(len(run.problems)))}
            ),
            processing_class=run.tokenizer,
            optimizers=(optimizer if self._sharded is None else None, None),
            callbacks=[self._guard] if self._sharded is None else [self._sharded, self._guard],
        )
        if self._sharded is not None:
            sharded.tell_accelerate(self)
        self.remove_callback(PrinterCallback)
        for intervention in run.interventions:  # after construction: TRL sets every dropout to 0
            intervention.training_begins(handle)
        # Set after construction: TRL would build a reference of its own from the model's name or its adapters.
        self.beta = settings.kl_weight if settings.kl_estimator == "k3" else 0.0
        self.ref_model = run.reference
        self._probe = Probe(run, frozenset(self.eos_token_ids))

    @property
    def generated_tokens(self) -> int:
        """Tokens that were generated to learn from, since the start of the run."""
        return self._run.meter.generated_tokens

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Return the method's own optimizer; that of a sharded model is asked for here."""
        if self._sharded is not None:
            self.optimizer = self._sharded.optimizer
        made: torch.optim.Optimizer = super().create_optimizer(model)
        return made

    def finish(self) -> None:
        """Leave a model in float32, an optimizer of whole tensors and no process group behind."""
        # Accelerate leaves autocast around the model's forward pass; what is attested and scored afterwards is float32.
        self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        if self._sharded is not None:
            self.optimizer = self._sharded.whole_optimizer()
        processes.shut_down()

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return [self._run.prompt_ids[int(prompt)] for prompt in prompts], None, {}

    def _generate_single_turn(
        self,
        prompt_ids: list[list[int]],
        images: None,
        multimodal_fields: dict[str, Any],
        num_generations: int,
        has_tool_images: bool = False,
    ) -> tuple[list[list[int]], list[list[float]]]:
        run, started = self._run, time.perf_counter()
        # Before the batch is sampled: a batch of another policy would be learned from.
        self._check_drift()
        with run.handle.rollout_weights() as model:
            completions = run.backend.generate(
                model,
                prompt_ids,
                SamplingParams(
                    max_new_tokens=run.settings.max_new_tokens,
                    temperature=run.settings.temperature,
                    seed=derive(run.seed, "rollout") + self._batches,  # a prompt that comes again gets other noise
                    eos_token_ids=frozenset(self.eos_token_ids),
                    pad_token_id=self._tokenizer.pad_token_id,
                    batch_size=len(prompt_ids),
                    stop=StopTexts.of(self._tokenizer, run.task.stop),
                ),
            )
        for intervention in run.interventions:
            intervention.rollout_ended(run.handle)
        run.meter.generate(self._shape, prompt_ids, completions.token_ids)
        ended, self._texts = finish(completions, self._tokenizer, run.task.stop)
        self._entropies, self._truncated = ended.entropies, ended.truncated
        self._sampled = ended.token_ids, ended.logprobs
        self._metrics["train"]["seconds/rollout"].append(time.perf_counter() - started)
        return ended.token_ids, ended.logprobs

    def _score(self, prompts: list[str], completions: list[str], problem: list[int], **_: Any) -> list[float]:
        run, started = self._run, time.perf_counter()
        problems = [run.problems[index] for index in problem]
        completions = self._texts  # TRL's own decoding has the stop text in it
        verdicts = verify_all(run.task, completions, problems, self._truncated)
        rewards = pay(run, completions, problems, verdicts, self._truncated, self._batches)
        prompt_ids = [run.prompt_ids[index] for index in problem]
        batch = self._rollouts(problems, prompt_ids, verdicts)
        for intervention in run.interventions:
            rewards = intervention.paid(batch, rewards)
        self._kept = [kept for each in run.interventions if (kept := each.kept(batch)) is not None]
        record_verdicts(self._metrics["train"], verdicts)
        record_strategies(self._metrics["train"], completions)
        rewards = self._less_kl(rewards, prompt_ids)
        self._metrics["train"]["seconds/grade"].append(time.perf_counter() - started)
        if run.watching:
            self._show_rollouts(batch)
        self._batches += 1
        return rewards

    def _rollouts(self, problems: list[Problem], prompt_ids: list[list[int]], verdicts: list[Verdict]) -> Rollouts:
        token_ids, _ = self._sampled
        step, policy = self._steps_before + self.state.global_step, self._run.handle.rollout_weights
        return Rollouts(step, problems, prompt_ids, token_ids, self._texts, self._truncated, verdicts, policy)

    def _show_rollouts(self, batch: Rollouts) -> None:
        started = time.perf_counter()
        for measurement in self._run.watching:
            measurement.rollouts(batch)
        self._metrics["train"]["seconds/measure"].append(time.perf_counter() - started)

    def _less_kl(self, rewards: list[float], prompt_ids: list[list[int]]) -> list[float]:
        """Return the rewards less the k1 estimate of the KL to the base, where the settings put it there."""
        settings = self._run.settings
        if settings.kl_estimator != "k1" or not settings.kl_weight:
            return rewards
        token_ids, log_probs = self._sampled
        rows = Rows.of_lists(prompt_ids, token_ids, self.accelerator.device)
        drift = Rows.floats(log_probs, self.accelerator.device) - self._reference_log_probs(rows)
        penalties = settings.kl_weight * (drift * rows.completion_mask).sum(dim=1)
        self._run.meter.score(self._shape, (rows.prompt_mask.sum(dim=1) + rows.completion_mask.sum(dim=1)).tolist())
        self._metrics["train"]["kl_penalty"].append(float(penalties.mean()))
        return [reward - penalty for reward, penalty in zip(rewards, penalties.tolist(), strict=True)]

    def _check_drift(self) -> None:
        """Stop the run when rollouts and trainer give the same tokens different probabilities."""
        if self._batches % self._run.settings.probe_every == 0:
            with self.accelerator.autocast(), in_training_mode(self.model, False):
                difference = self._probe.largest_difference(self.model, self.update_backend)
            self._metrics["train"]["probe/logp_difference_max"].append(difference)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)
        if self._run.settings.whiten_advantages:
            batch["advantages"] = whitened(batch["advantages"], batch["completion_mask"])
        for kept in self._kept:  # a row without an advantage has no gradient but that of a KL penalty
            batch["advantages"] = batch["advantages"] * torch.tensor(kept, device=batch["advantages"].device)
            self._metrics["train"]["rollouts_kept"].append(fmean(kept))
        if self._run.task.stop:  # TRL takes what no EOS ends for clipped, also what a stop text ended
            clipped = processes.mean(fmean(self._truncated), len(self._truncated))
            self._metrics["train"]["completions/clipped_ratio"][-1] = clipped
        # A row's own flag: TRL shuffles and cuts the batch.
        worked = list(map(STRATEGIES["worked"].used, self._texts))
        batch["worked"] = torch.tensor(worked, device=batch["completion_ids"].device)
        if self._entropies is not None:
            entropies = [torch.tensor(row) for row in self._entropies]
            padded = pad_sequence(entropies, batch_first=True).to(batch["completion_ids"].device)
            batch["sampling_entropies"] = padded
        # With a KL penalty TRL records the KL itself; without one it is measured now and then, outside of the budget.
        if self.beta == 0.0 and self._kl_is_due():
            reference = self._reference_log_probs(Rows.of(batch))
            mask = batch["completion_mask"]
            kl = k3(batch["sampling_per_token_logps"], reference, mask)
            self._metrics["train"]["kl"].append(processes.mean(kl, float(mask.sum())))
        self._metrics["train"]["seconds/log_probs"].append(self._scoring_seconds)
        self._scoring_seconds = 0.0
        return batch

    def _kl_is_due(self) -> bool:
        settings = self._run.settings
        last = self.state.global_step + settings.updates_per_batch >= settings.steps
        return last or (self._batches - 1) % settings.kl_every == 0

    def _compute_loss(self, model: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
        self._inputs = inputs  # TRL scores below without the advantages, by which rows without signal are left out
        lengths = (inputs["prompt_mask"].sum(dim=1) + inputs["completion_mask"].sum(dim=1)).tolist()
        self._run.meter.learn(self._shape, lengths)
        if self.beta != 0.0:
            self._run.meter.score(self._shape, lengths)
        loss: Tensor = super()._compute_loss(model, inputs)
        self._record_fork(inputs)
        return loss * self._token_share() if self.args.loss_type == "bnpo" else loss

    def _record_fork(self, inputs: dict[str, Tensor]) -> None:
        """Record what the update does where completions take their way, as TRL records what it does to all tokens."""
        settings, new = self._run.settings, self._scored[:, 0]
        before = inputs.get("old_per_token_logps")
        old = new if before is None else before[:, 0]
        fork = Fork(old, new, inputs["advantages"].reshape(len(new), -1)[:, 0], inputs["worked"])
        for name, value in fork_metrics(fork, Clip(settings.clip_low, settings.clip_high)).items():
            self._metrics["train"][name].append(value)

    def _token_share(self) -> Tensor | float:
        """Return what makes TRL's mean over a micro-batch's tokens a part of the mean over all tokens of the update.

        TRL takes the mean of the micro-batches' means, which depends on how an update is cut ("bnpo" alone does so).
        """
        parts = self.current_gradient_accumulation_steps
        if parts == 1:
            return 1.0
        place = self._step % self.args.steps_per_generation
        first = place - place % parts
        tokens = [batch["completion_mask"].sum() for batch in self._buffered_inputs[first : first + parts]]
        share: Tensor = tokens[place - first] * parts / torch.stack(tokens).sum()
        return share

    def _get_per_token_logps_and_entropies(
        self,
        model: nn.Module,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        *args: Any,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        # TRL hands them over joined; to be scored without padding, prompts and completions have to be apart.
        parts = (t.split([t.shape[1] - logits_to_keep, logits_to_keep], 1) for t in (input_ids, attention_mask))
        (prompt_ids, completion_ids), (prompt_mask, completion_mask) = parts
        rows = Rows(prompt_ids, prompt_mask, completion_ids, completion_mask)
        if model is self.ref_model:
            return self._reference_log_probs(rows), None, None
        if not torch.is_grad_enabled():  # the weights before the first of several updates
            return self._frozen_log_probs(model, rows, self.update_backend), None, None
        if self.update_backend == scorer.PADDED:
            scored: tuple[Tensor, Tensor | None, Tensor | None] = super()._get_per_token_logps_and_entropies(
                model, input_ids, attention_mask, logits_to_keep, *args, **kwargs
            )
            self._record_mismatch(scored[0], self._inputs["completion_mask"])
            self._scored = scored[0].detach()
            return scored
        log_probs, entropies = self._policy_log_probs(model, rows)
        self._scored = log_probs.detach()
        return log_probs, entropies, None

    def _policy_log_probs(self, model: nn.Module, rows: Rows) -> tuple[Tensor, Tensor]:
        """Score the rows that the gradient depends on; the others keep what was recorded when they were sampled."""
        inputs, informative = self._inputs, self._rows_with_signal(self._inputs)
        with self.accelerator.autocast():
            log_probs, entropies = scorer.policy_log_probs(model, rows.select(informative), self.temperature)
        self._record_mismatch(log_probs, rows.completion_mask[informative], informative)
        if len(informative) == len(rows.prompt_ids):
            return log_probs, entropies
        # Their advantage is 0, so that these values reach no gradient; means over the batch still hold all rows.
        recorded = inputs["sampling_per_token_logps"], inputs["sampling_entropies"]
        return recorded[0].index_copy(0, informative, log_probs), recorded[1].index_copy(0, informative, entropies)

    def _rows_with_signal(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return the numbers of the rows whose gradient is not zero by construction, at least one.

        Without a KL penalty the loss of a row is its advantage times what depends on the weights, so that a group whose
        rewards are all equal contributes nothing.
        """
        signal = inputs["advantages"] != 0
        if self.beta != 0.0 or "sampling_entropies" not in inputs:
            signal = torch.ones_like(signal)
        if not bool(signal.any()):  # the optimizer still makes its step, on a zero gradient
            signal[inputs["completion_mask"].sum(dim=1).argmin()] = True
        return signal.nonzero().squeeze(1)

    def _record_mismatch(self, log_probs: Tensor, mask: Tensor, rows: Tensor | slice = slice(None)) -> None:
        """Record how far rollout and trainer are apart on the same tokens, while the weights are those that sampled."""
        # Later updates on the same batch differ from its sampler on purpose.
        if self._step % self.args.steps_per_generation:
            return
        difference = (log_probs.detach() - self._inputs["sampling_per_token_logps"][rows]).abs()[mask.bool()]
        self._metrics["train"]["sampling/sampling_logp_difference/mean"].append(float(difference.mean()))
        self._metrics["train"]["sampling/sampling_logp_difference/max"].append(float(difference.max()))

    def _reference_log_probs(self, rows: Rows) -> Tensor:
        return self._frozen_log_probs(self._run.reference, rows, self.update_backend)

    def _frozen_log_probs(self, model: nn.Module, rows: Rows, backend: str) -> Tensor:
        micro_batch, started = self._run.settings.micro_batch or len(rows.prompt_ids), time.perf_counter()
        with self.accelerator.autocast():
            scored = torch.cat(
                [
                    scorer.log_probs_of(model, rows.select(part), self.temperature, backend)
                    for part in torch.arange(len(rows.prompt_ids)).split(micro_batch)
                ]
            )
        self._scoring_seconds += time.perf_counter() - started
        return scored

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Hand the step's metrics to the recorder, then to TRL's own trackers."""
        if processes.size() > 1:
            share_metrics(self._metrics["train"])
        super().log(logs, start_time)
        if "train_runtime" not in logs:  # the summary at the end is no step
            self._sink({"step": self._steps_before + self.state.global_step, **logs, **self._guard.last})
