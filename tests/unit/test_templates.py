"""The Flex Templates' metadata and launcher, held against the options and Dataflow's messages."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from google.cloud import dataflow_v1beta3
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.__main__ import main
from pipeline.commands.flex_template import MODE, OPTIONS, translate
from pipeline.options.option import Option, Parser, declare, values_given
from pipeline.options.option_values import numbers_between, numbers_from
from pipeline.warehouse import open_warehouse
from templates.metadata import TEMPLATES, Template, as_json, metadata, spec
from tests.support.thorough import examples

IMAGE = "europe-west3-docker.pkg.dev/test-project/growth/growth-pipeline:1"
PARAMETERS = [
    (template, option, described)
    for template in TEMPLATES.values()
    for option, described in zip(template.options, metadata(template)["parameters"], strict=True)
]
NAMED = [f"{template.name}-{option.name}" for template, option, _ in PARAMETERS]


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=list(TEMPLATES))
def test_the_metadata_on_record_is_that_of_the_options(template: Template) -> None:
    """Stale? `make templates` rewrites it."""
    assert template.path.read_text() == as_json(metadata(template))


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=list(TEMPLATES))
def test_the_container_spec_is_dataflows_message(template: Template) -> None:
    message = dataflow_v1beta3.ContainerSpec()
    content = json.loads(as_json(spec(template, IMAGE)))
    json_format.ParseDict(content, message._pb)
    assert message.image == IMAGE
    assert message.sdk_info.language == dataflow_v1beta3.SDKInfo.Language.PYTHON
    assert message.default_environment.sdk_container_image == IMAGE
    assert message.metadata.streaming is template.streaming
    assert message.metadata.supports_exactly_once is template.streaming
    assert message.metadata.supports_at_least_once is False
    # Nothing is lost on the way there and back but what is false.
    kept = json_format.MessageToDict(message.metadata._pb)["parameters"]
    for before, after in zip(content["metadata"]["parameters"], kept, strict=True):
        assert {name: value for name, value in before.items() if value is not False} == after


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=list(TEMPLATES))
def test_every_option_is_a_parameter_and_every_parameter_an_option(template: Template) -> None:
    # Whoever may see a job sees its parameters, and nobody waits for its end.
    here = ["alert", "alert_dead_letter_pct", "max_age_hours"]
    if template.command == "batch":
        here.insert(0, "workers")
    known = [option.name for option in OPTIONS[template.command]]
    assert [name for name in known if name in here] == here
    known = [name for name in known if name not in here]
    if template.command == "batch":
        known.insert(1, MODE.name)
    assert [parameter["name"] for parameter in metadata(template)["parameters"]] == known


@pytest.mark.parametrize(("template", "option", "described"), PARAMETERS, ids=NAMED)
def test_a_parameter_is_described(
    template: Template, option: Option, described: dict[str, Any]
) -> None:
    assert described["label"]
    assert described["groupName"]
    assert described["helpText"].endswith(".")
    assert described["paramType"] in dataflow_v1beta3.ParameterType.__members__
    assert ("enumOptions" in described) == (described["paramType"] == "ENUM")
    if described["isOptional"]:
        assert ("defaultValue" in described) == (option.default is not None)
    else:
        assert "defaultValue" not in described


def admitted(described: dict[str, Any]) -> st.SearchStrategy[str]:
    """Values that Dataflow takes for a parameter."""
    if "enumOptions" in described:
        return st.sampled_from([item["value"] for item in described["enumOptions"]])
    (pattern,) = described["regexes"]
    return st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True)


def parsed(template: Template, name: str, value: str) -> Any:
    """What the command makes of a parameter's value, as the launcher hands it over."""
    key = {"batch": "--input=gs://bucket/events.csv", "stream": None}[template.command] or (
        "--subscription=projects/test-project/subscriptions/events"
    )
    arguments = [f"--{name}={value}"]
    if not key.startswith(f"--{name}="):
        arguments.insert(0, key)
    command, translated, dropped = translate(arguments)
    if name == MODE.name:
        assert dropped == []
        return command
    assert (command, dropped) == (template.command, [])
    parser = Parser(exit_on_error=False)
    declare(parser, template.options)
    return values_given(template.options, parser.parse_args(translated))[name]


@pytest.mark.parametrize(("template", "option", "described"), PARAMETERS, ids=NAMED)
@settings(max_examples=examples(15, 60), deadline=None)
@given(data=st.data())
def test_what_the_metadata_admits_the_code_admits(
    template: Template, option: Option, described: dict[str, Any], data: st.DataObject
) -> None:
    value = data.draw(admitted(described))
    found = parsed(template, option.name, value)
    assert found is not None
    if option.name == "warehouse":
        assert open_warehouse(found).url == value
    if option.name == "input":
        assert found == tuple(value.split(","))


@pytest.mark.parametrize(("template", "option", "described"), PARAMETERS, ids=NAMED)
def test_defaults_are_admitted_and_mean_themselves(
    template: Template, option: Option, described: dict[str, Any]
) -> None:
    if "defaultValue" in described:
        default = described["defaultValue"]
        if "enumOptions" in described:
            assert default in [item["value"] for item in described["enumOptions"]]
        else:
            (pattern,) = described["regexes"]
            assert re.fullmatch(pattern, default)
        assert parsed(template, option.name, described["defaultValue"]) == option.default


@pytest.mark.parametrize(("template", "option", "described"), PARAMETERS, ids=NAMED)
def test_patterns_are_what_dataflow_understands(
    template: Template, option: Option, described: dict[str, Any]
) -> None:
    """RE2 has neither look-around nor back references, and counts to 1,000."""
    for pattern in described.get("regexes", []):
        assert not re.search(r"\(\?|\\[1-9]", pattern)
        assert all(int(number) <= 1_000 for number in re.findall(r"[{,](\d+)[,}]", pattern))
        assert pattern.startswith("^(")
        assert pattern.endswith(")$")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("input", "events.csv"),
        ("input", "gs://bucket/a.csv,,gs://bucket/b.csv"),
        ("warehouse", "duckdb:///growth.duckdb"),
        ("warehouse", "bigquery://test-project/a-b"),
        ("user_shards", "0"),
        ("user_shards", "65537"),
        ("user_shards", "1e3"),
        ("max_dead_letter_pct", "100.5"),
        ("max_dead_letter_pct", "nan"),
        ("active_event_types", "like,,share"),
        ("location", "the moon"),
        ("late_horizon_days", "3651"),
        ("flush_seconds", "0.5"),
        ("subscription", "events"),
        ("summary_file", "run.json"),
    ],
)
def test_the_metadata_refuses(name: str, value: str) -> None:
    found = [described for _, option, described in PARAMETERS if option.name == name]
    assert found
    for described in found:
        (pattern,) = described["regexes"]
        assert not re.fullmatch(pattern, value)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 2 * 10**6))
def test_patterns_of_numbers(low: int, high: int, number: int) -> None:
    low, high = sorted((low, high))
    assert bool(re.fullmatch(numbers_between(low, high), str(number))) == (low <= number <= high)
    assert bool(re.fullmatch(numbers_from(low, 18), str(number))) == (low <= number)


def test_the_launchers_arguments_become_a_commands() -> None:
    command, arguments, dropped = translate(
        [
            *("--input=gs://b/a*.csv, gs://b/c.csv", "--warehouse=bigquery://test-project/d"),
            *("--summary_file=", "--runner=DataflowRunner", "--enable_streaming_engine=true"),
            *("--no_use_public_ips=false", "--update", "--dry_run", "--labels=a=b"),
            *("--fruit=apple", "odd"),
        ],
        IMAGE,
    )
    assert command == "batch"
    assert arguments == [
        *("--input=gs://b/a*.csv", "--input=gs://b/c.csv"),
        *("--warehouse=bigquery://test-project/d", "--runner=DataflowRunner"),
        *("--enable_streaming_engine", "--update", "--dry_run=True", "--labels=a=b"),
        f"--sdk_container_image={IMAGE}",
    ]
    assert dropped == ["--fruit=apple", "odd"]


def test_a_subscription_makes_it_the_stream_command() -> None:
    assert translate(["--subscription=projects/p/subscriptions/s"])[0] == "stream"
    assert translate(["--subscription="])[0] == "batch"


def test_the_mode_makes_it_the_update_command() -> None:
    given = ["--mode=update", "--input=gs://b/*.csv", "--max_shrink_pct=5", "--quality=warn"]
    command, arguments, dropped = translate(given)
    assert command == "update"
    assert arguments == ["--input=gs://b/*.csv", "--quality=warn"]
    assert dropped == ["--max_shrink_pct=5"]
    assert translate(["--mode=", "--input=gs://b/*.csv"])[0] == "batch"


def test_an_image_that_is_named_stays_and_local_runs_have_none() -> None:
    assert translate(["--runner=FnApiRunner"], IMAGE)[1] == ["--runner=FnApiRunner"]
    given_one = ["--runner=DataflowRunner", "--sdk_container_image=other"]
    assert translate(given_one, IMAGE)[1] == given_one


COMMANDS = {
    "batch": ["--input", "gs://bucket/events.csv"],
    "stream": ["--subscription", "projects/test-project/subscriptions/events"],
}


def refusal(command: str, *arguments: str) -> int | str | None:
    where = ["--warehouse", "bigquery://test-project/growth", "--temp_location", "gs://bucket/t"]
    with pytest.raises(SystemExit) as ended:
        main([command, *COMMANDS[command], *where, *arguments])
    return ended.value.code


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--runner", "DataflowRunner"], "needs --project and --region too"),
        (["--runner", "DataflowRunner", "--project", "p"], "needs --region too"),
        (["--dry_run", "False"], "Beam takes any value for true"),
        (["--dry_run", "True"], "add --runner DataflowRunner"),
    ],
)
def test_what_dataflow_would_not_understand_is_refused(
    command: str, arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refusal(command, *arguments) == 2
    assert expected in capsys.readouterr().err


def test_a_mode_that_counts_twice_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    mode = "streaming_mode_at_least_once"
    assert refusal("stream", "--dataflow_service_options", mode) == 2
    assert "what is summed would count twice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "--runner FlinkRunner needs --checkpointing_interval too"),
        (["--checkpointing_interval", "0"], "--runner FlinkRunner needs --checkpointing_interval"),
        (["--checkpointing_interval", "often"], "'often' is not a whole number"),
        (
            ["--checkpointing_interval", "60000", "--checkpointing_mode", "AT_LEAST_ONCE"],
            "--checkpointing_mode AT_LEAST_ONCE: what is summed would count twice",
        ),
        (
            ["--checkpointing_interval", "60000", "--savepoint_path", "s3://b/savepoint-1"],
            "--savepoint_path s3://b/savepoint-1: what an earlier stream knew need not be",
        ),
        (
            ["--checkpointing_interval", "60000", "--update", "--dry_run", "True", "--no_auth"],
            "--update and --continues are for jobs on Dataflow",
        ),
    ],
)
def test_a_stream_on_flink_takes_checkpoints_and_is_not_updated(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refusal("stream", "--runner", "FlinkRunner", *arguments) == 2
    assert expected in capsys.readouterr().err
