"""Compares the cases of `--parameter-overrides` in crates/cli/src/parameter_overrides with the SAM CLI.

It needs the Python of the SAM CLI, and takes the file of the cases as its argument.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["SAM_CLI_TELEMETRY"] = "0"

from click import UsageError
from samcli.commands.deploy.command import cli
from samcli.commands.exceptions import ConfigException
from samcli.lib.config.exceptions import FileParseException


def read(case, folder):
    """The parameters with which `sam deploy` would deploy, or None if it refuses the case."""

    def place(text):
        return text.replace("FOLDER", str(folder))

    for name, text in case.get("files", {}).items():
        (folder / name).write_text(text)
    (folder / "template.yaml").write_text("Resources: {}\n")
    arguments = ["--stack-name", "stack", "--region", "us-east-1"]
    if "samconfig" in case:
        name = case.get("samconfig_name", "samconfig.toml")
        (folder / name).write_text(place(case["samconfig"]))
        arguments += ["--config-file", str(folder / name)]
    else:
        arguments += ["--parameter-overrides", *map(place, case["arguments"])]
    arguments += ["--template-file", str(folder / "template.yaml")]
    try:
        return cli.make_context("deploy", arguments).params["parameter_overrides"]
    except (ConfigException, FileParseException, UsageError):
        return None


def main():
    cases = json.loads(Path(sys.argv[1]).read_text())
    failures = 0
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            found = read(case, Path(folder).resolve())
        if found != case.get("parameters"):
            failures += 1
            print(f"{case}\n  the SAM CLI: {found}")
    print(f"{len(cases)} cases of --parameter-overrides, {failures} differ from the SAM CLI")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
