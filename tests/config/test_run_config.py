"""A run's configuration: where it comes from, what is refused, and what each model gets."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from model_quantization.batch.mirror import mirrored
from model_quantization.config.file import load_config
from model_quantization.config.model_settings import ModelSettings
from model_quantization.config.run_config import GateConfig, LimitsConfig, ModelOverride, RunConfig
from model_quantization.errors import ConfigError, MissingExtra
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.limits import Limits

CONFIGS = Path(__file__).parents[2] / "configs"


def _load(
    tmp_path: Path, text: str, environ: dict[str, str] | None = None, **given: Any
) -> RunConfig:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    return load_config(path, environ=environ or {}, given=given)


def test_the_defaults_are_those_of_the_library() -> None:
    config = load_config(environ={})
    assert config.settings_for("any") == ModelSettings()
    assert config.output_path == Path("ml/models/quantized").resolve()
    assert config.holdout_path is None


@pytest.mark.parametrize(("model", "value"), [(GateConfig, GatePolicy()), (LimitsConfig, Limits())])
def test_every_field_of_a_value_can_be_configured(model: Any, value: Any) -> None:
    assert set(model.model_fields) == {item.name for item in fields(value)}
    assert model().model_dump() == {item.name: getattr(value, item.name) for item in fields(value)}


def test_every_field_says_what_it_is() -> None:
    for model in (RunConfig, GateConfig, ModelOverride):
        for name, field in model.model_fields.items():
            assert field.title, name
    schema = RunConfig.model_json_schema()
    assert schema["properties"]["bit_depth"]["enum"] == ["8", "16", "32", "exact", "auto"]
    assert schema["properties"]["weight_threshold"]["minimum"] == 0


def test_a_file_is_read(tmp_path: Path) -> None:
    config = _load(
        tmp_path,
        """
        model_dir: models
        output_dir: /srv/out
        holdout_dir: ../held
        bit_depth: 16
        weight_threshold: 1e-4
        target: price
        trusted: [mine.scoring:Scorer]
        gate: {allowed_drop: 0.01, metric: f1_macro}
        limits: {depth: 50}
        schemes: {"*/alpha_": exact}
        """,
    )
    assert config.model_path == tmp_path / "models"
    assert config.output_path == Path("/srv/out")
    assert config.holdout_path == tmp_path.parent / "held"
    settings = config.settings_for("any")
    assert settings.bit_depth == "16"
    assert settings.weight_threshold == 1e-4
    assert settings.target == ("price",)
    assert settings.trusted == ("mine.scoring:Scorer",)
    assert settings.gate == GatePolicy(allowed_drop=0.01, metric="f1_macro")
    assert settings.limits == Limits(depth=50)
    assert settings.overrides == (("*/alpha_", {"kind": "exact"}),)
    assert RunConfig.model_validate(config.to_json()) == config


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    assert _load(tmp_path, "# nothing\n") == RunConfig()


def test_overrides_apply_in_order_and_change_only_what_they_name(tmp_path: Path) -> None:
    config = _load(
        tmp_path,
        """
        bit_depth: 8
        gate: {allowed_drop: 0.01, alpha: 0.1}
        schemes: {"*": {kind: float, bits: 32}}
        overrides:
          - {match: "intent*", bit_depth: 16, gate: {allowed_drop: 0.002}}
          - {match: "intent_old", bit_depth: exact, schemes: {"*/coef_": exact}, target: [a, b]}
        """,
    )
    assert config.settings_for("other").bit_depth == "8"
    new = config.settings_for("intent_new")
    assert (new.bit_depth, new.gate) == ("16", GatePolicy(allowed_drop=0.002, alpha=0.1))
    old = config.settings_for("intent_old")
    assert (old.bit_depth, old.gate, old.target) == ("exact", new.gate, ("a", "b"))
    assert [pattern for pattern, _ in old.overrides] == ["*/coef_", "*"]
    again = RunConfig.model_validate(config.to_json())
    assert again.settings_for("intent_old") == old


def test_the_caller_wins_over_the_environment_over_the_file_over_defaults(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("bit_depth: 8\nn_workers: 3\ngate: {alpha: 0.2, min_rows: 5}\n")
    config = load_config(
        path,
        defaults={"n_workers": 9, "keep_releases": 7, "gate": {"min_rows": 1, "seed": 4}},
        environ={
            "MLQ_BIT_DEPTH": "16",
            "MLQ_GATE__ALPHA": "0.3",
            "MLQ_ONLY": "[a, b]",
            "MLQ_MODEL_DIR": "here",
            "HOME": "/",
        },
        given={"bit_depth": "exact", "gate": {"seed": 5, "alpha": None}, "force": None},
    )
    assert (config.bit_depth, config.n_workers, config.keep_releases) == ("exact", 3, 7)
    assert (config.gate.alpha, config.gate.min_rows, config.gate.seed) == (0.3, 5, 5)
    assert config.only == ("a", "b")
    assert config.model_path == Path.cwd() / "here"


MISTAKES = {
    "bit_dept: 8": "unknown key `bit_dept`; did you mean `bit_depth`?",
    "zzz: 8": "unknown key `zzz`; expected one of bit_depth, cache_dir, calibration_rows,",
    "gate: {alowed_drop: 1}": "unknown key `gate/alowed_drop`; did you mean `allowed_drop`?",
    "limits: {node: 1}": "unknown key `limits/node`; did you mean `nodes`?",
    "overrides: [{match: a, bits: 8}]": "unknown key `overrides/0/bits`",
    "overrides: [{match: a, gate: {alfa: 8}}]": "/0/gate/alfa`; did you mean `alpha`",
    "bit_depth: 7": "`bit_depth` cannot be used; expected '8', '16', '32', 'exact' or 'auto', got",
    "bit_depth: true": "got True.",
    "weight_threshold: -1": "expected greater than or equal to 0, got -1.",
    "weight_threshold: true": "`weight_threshold` cannot be used (a number is needed); got True.",
    "weight_threshold: small": "expected a number, got 'small'.",
    "weight_threshold: .nan": "`weight_threshold` cannot be used",
    "n_workers: two": "expected a whole number, got 'two'.",
    "n_workers: 0\nkeep_releases: 0": "and 1 more like it.",
    "force: 1": "`force` cannot be used; expected true or false, got 1.",
    "target: []": "`target` cannot be used",
    "trusted: [os.system]": "`trusted/0` cannot be used",
    "on_gate_failure: pray": "expected 'original' or 'exact', got 'pray'.",
    "gate: 5": "`gate` cannot be used",
    "gate: {metric: luck}": "`gate/metric` cannot be used; expected auto or one of accuracy,",
    "overrides: [{match: a, gate: {alpha: 2}}]": "gate/alpha` cannot be used; expected less than",
    "overrides: [{bit_depth: 8}]": "`overrides/0/match` is missing; add it.",
    "schemes: {x: {kind: affine, bits: 9}}": "bits must be one of (2, 3, 4, 5, 6, 7, 8, 16))",
    "schemes: {x: tiny}": "unknown scheme kind 'tiny'; known: exact, float,",
    "model_dir: 5": "`model_dir` cannot be used; expected text, got 5.",
    "a: 1\na: 2": "not YAML (`a` is written twice); correct the file.",
    "a: [": "not YAML (",
    "[1]": "not a configuration; expected keys and values, got list.",
    "model_dir: !!python/object/apply:os.system [ls]": "not YAML (",
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.items(), ids=MISTAKES)
@pytest.mark.bad_input(52)
def test_a_mistake_is_one_line_that_names_file_key_and_remedy(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, text)
    shown = str(caught.value)
    assert message in shown
    assert shown.startswith(f"{tmp_path / 'run.yaml'}: ")
    assert "\n" not in shown


def test_a_mistake_in_the_environment_names_the_variable(tmp_path: Path) -> None:
    for name, value in (
        ("MLQ_BIT_DEPTH", "7"),
        ("MLQ_BITDEPTH", "8"),
        ("MLQ_GATE__ALPHA", "-1"),
        ("MLQ_GATE", "1"),
        ("MLQ_ONLY", "["),
    ):
        with pytest.raises(ConfigError, match=rf"^{name}: "):
            _load(tmp_path, "", environ={name: value})


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nope.yaml: the configuration cannot be read \(No such"):
        load_config(tmp_path / "nope.yaml", environ={})
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"bytes.yaml: the configuration cannot be read"):
        load_config(tmp_path / "bytes.yaml", environ={})


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_the_configurations_of_this_project_are_valid(path: Path) -> None:
    config = load_config(path, environ={})
    assert config.model_path.is_absolute()
    assert not config.gate.publish_unverified


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        RunConfig().force = True  # type: ignore[misc]


def test_models_of_a_registry_need_an_output_directory_and_names_of_their_own() -> None:
    with pytest.raises(ConfigError, match="models of a registry need an `output_dir`"):
        load_config(given={"model_dir": "mlflow://latest"}, environ={})
    for pattern in ("{name}", "churn"):
        with pytest.raises(ConfigError, match=r"`register_as` is `\{name\}` and something"):
            load_config(given={"register_as": pattern}, environ={})
    given = {"model_dir": "mlflow://latest", "output_dir": "out", "register_as": "{name}-small"}
    config = load_config(given=given, environ={})
    assert config.model_url == "mlflow://latest"
    assert config.model_path.parts[-2:] == ("mlflow", "latest")
    assert config.output_path == Path("out").absolute()


def test_a_registry_without_mlflow_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_quantization.extras.find_spec", lambda name: None)
    given = {"model_dir": "mlflow://latest", "output_dir": "o", "cache_dir": str(tmp_path)}
    with (
        pytest.raises(MissingExtra, match=r"model-quantization\[mlflow\]"),
        mirrored(load_config(given=given, environ={})),
    ):
        pass


def test_a_scheduler_needs_its_task_runner() -> None:
    with pytest.raises(ConfigError, match="`scheduler_address` needs a cluster; set"):
        load_config(given={"scheduler_address": "tcp://127.0.0.1:8786"}, environ={})
    with pytest.raises(
        ConfigError, match="`task_runner` cannot be used; expected 'threads', 'dask' or"
    ):
        load_config(given={"task_runner": "slurm"}, environ={})
