"""Nothing secret may reach a journal, and what is no secret must."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import runlog
from runlog import secrets
from runlog.capture import diff_secrets
from runlog.records import Blob

# Put together here, so that tools which look for leaked keys leave this file alone.
HUGGING_FACE = "hf_" + "AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGh"
GITHUB = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
OPENAI = "sk-" + "proj-abcdEFGH1234ijklMNOP5678"
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
JWT = "eyJ" + "hbGciOiJIUzI1NiJ9.eyJ" + "zdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"
PLAIN = "correct-horse-battery"


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (["--api-key", PLAIN, "train.py"], ["--api-key", "***", "train.py"]),
        (["--api_key", PLAIN], ["--api_key", "***"]),
        (["--apiKey", PLAIN], ["--apiKey", "***"]),
        ([f"--token={PLAIN}"], ["--token=***"]),
        (["--token="], ["--token="]),
        ([f"--password=two words, {PLAIN}"], ["--password=***"]),
        (["--password", f"-{PLAIN}"], ["--password", "***"]),
        (["--password", "--verbose"], ["--password", "--verbose"]),
        (["--password", "123456"], ["--password", "***"]),
        (["--api-keys", PLAIN, PLAIN, "--lr", "1"], ["--api-keys", "***", "***", "--lr", "1"]),
        ([f"AWS_SECRET_ACCESS_KEY={PLAIN}"], ["AWS_SECRET_ACCESS_KEY=***"]),
        ([f"PGPASSWORD={PLAIN}"], ["PGPASSWORD=***"]),
        ([f"trainer.logger.api_key={PLAIN}"], ["trainer.logger.api_key=***"]),
        ([f"++hub.token={PLAIN}"], ["++hub.token=***"]),
        ([f"a=b,token={PLAIN},c=d"], ["a=b,token=***,c=d"]),
        ([f'{{"api_key": "{PLAIN}", "lr": 0.1}}'], ['{"api_key": "***", "lr": 0.1}']),
        ([f"--header=Authorization: Bearer {PLAIN}"], ["--header=Authorization: *** ***"]),
        ([f"https://me:{PLAIN}@host/x.git"], ["https://host/x.git"]),
        ([f"https://{GITHUB}@github.com/o/r"], ["https://github.com/o/r"]),
        ([f"postgres://me:{PLAIN}@host:5432/db"], ["postgres://host:5432/db"]),
        ([f"--db=mysql+x://me:a@{PLAIN}@host/db"], ["--db=mysql+x://host/db"]),
        ([f"https://host/x?token={PLAIN}&page=2"], ["https://host/x?token=***&page=2"]),
        ([f"s3://b/x?X-Amz-Signature={PLAIN}"], ["s3://b/x?X-Amz-Signature=***"]),
        ([HUGGING_FACE], ["***"]),
        ([f"--x={GITHUB}"], ["--x=***"]),
        (["-k", OPENAI], ["-k", "***"]),
        ([f"id:{AWS}"], ["id:***"]),
        (["--thing", JWT], ["--thing", "***"]),
    ],
)
def test_a_secret_argument_is_hidden(given: list[str], made: list[str]) -> None:
    assert list(secrets.args(given, {})) == made


@pytest.mark.parametrize(
    "given",
    [
        ["--lr", "0.1", "--tokenizer", "gpt2", "--author", "me", "--monkey", "yes"],
        ["--max-tokens", "512", "--num_key_value_heads=8", "--pad-token", "<pad>"],
        ["model.optimizer.lr=1e-3", "+data=cifar", "~callbacks", "seed=7"],
        ["git@github.com:o/r.git", "ssh://git@host/o/r", "https://host:8080/a@b", "s3://bucket/x"],
        ["--use-auth-token", "--keypoints", "17", "--passes"],
        ["--config", '{"lr": 0.1, "betas": [0.9, 0.99]}', "a b", "", "--", "-x"],
        ["--commit", "37f64c66ba1f0de6a1f1c0b9f0f6ba3e4f4a1b2c", "sk-learn", "C:\\data"],
    ],
)
def test_an_argument_without_a_secret_stays_as_it_is(given: list[str]) -> None:
    assert list(secrets.args(given, {})) == given


def test_values_of_secret_variables_are_hidden_wherever_they_are() -> None:
    environment = {"MY_SERVICE_TOKEN": PLAIN, "SSH_AUTH_SOCK": "/run/agent", "KEY": "short"}
    given = [PLAIN, f"x-{PLAIN}-y", "/run/agent", "short"]
    assert secrets.args(given, environment) == ("***", "x-***-y", "/run/agent", "short")


def test_variables_keep_their_names() -> None:
    given = {"SLURM_JWT": PLAIN, "SLURM_JOB_ID": "42", "SLURM_TASKS": "2", "SLURM_X": AWS}
    made = {"SLURM_JWT": "***", "SLURM_JOB_ID": "42", "SLURM_TASKS": "2", "SLURM_X": "***"}
    assert secrets.variables(given) == made


@pytest.mark.parametrize(
    ("line", "made"),
    [
        (f'+api_key = "{PLAIN}"', '+api_key = "***"'),
        (f"+    client(token='{PLAIN}', n=2)", "+    client(token='***', n=2)"),
        (f'+os.environ["HF_TOKEN"] = "{PLAIN}"', '+os.environ["HF_TOKEN"] = "***"'),
        (f'-  "password": "{PLAIN}",', '-  "password": "***",'),
        (f" export WANDB_API_KEY={PLAIN}", " export WANDB_API_KEY=***"),
        (f"+api_token: {PLAIN}", "+api_token: ***"),
        (f"+url = 'https://me:{PLAIN}@host/'", "+url = 'https://host/'"),
        (f"+x = '{HUGGING_FACE}'", "+x = '***'"),
    ],
)
def test_a_secret_in_a_diff_is_hidden(line: str, made: str) -> None:
    assert list(diff_secrets.source([line + "\n", "+y = 1\n"])) == [made + "\n", "+y = 1\n"]


@pytest.mark.parametrize(
    "line",
    [
        "+token = tokenizer(text)",
        "+    password: str",
        "-for key, value in pairs.items():",
        '+    keys = ["a", "b"]',
        "+loss = model(x, key=key)",
        "+mask_token = '[MASK]'",
        " max_tokens: 512",
    ],
)
def test_code_in_a_diff_stays_code(line: str) -> None:
    assert list(diff_secrets.source([line])) == [line]


def test_a_private_key_in_a_diff_is_hidden_line_by_line() -> None:
    key = ["+-----BEGIN OPENSSH PRIVATE KEY-----\n", "+b3BlbnNzaC1rZXk\n", "+AAAA\n"]
    rest = ["+-----END OPENSSH PRIVATE KEY-----\n", "+x = 1\n"]
    assert list(diff_secrets.source([*key, *rest])) == ["+***\n"] * 3 + rest


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True)  # noqa: S607 - found by its name


def test_what_the_environment_reports_has_no_secret_in_its_journal(tmp_path: Path) -> None:
    """A program with secrets in every place that is recorded: its journal's bytes have none."""
    code = tmp_path / "code"
    code.mkdir()
    script = code / "train.py"
    script.write_text(
        "import sys, runlog\n"
        "from runlog.capture import environment\n"
        "with runlog.init(project='p', dir=sys.argv[1]) as run:\n"
        "    collector = environment.start(run._recorder.append, run.log_blob)\n"
        "    collector._thread.join(60)\n"
        "    collector.stop()\n"
        "    run.log({'loss': 1.0})\n"
    )
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=b", "commit", "-qm", "x"],
        ["remote", "add", "origin", f"https://me:{PLAIN}@host/o/r.git"],
    ):
        git(code, *command)
    with script.open("a") as file:
        file.write(f"api_key = '{OPENAI}'\npassword = '{PLAIN}'\n")
    (code / ".env").write_text("X=1\n")
    git(code, "add", ".env")
    (code / ".env").write_text(f"ANYTHING={GITHUB[::-1]}\n")
    arguments = ["--api-key", PLAIN, f"--token={HUGGING_FACE}", f"s3://me:{PLAIN}@x", "--lr", "0.5"]
    environment = {"SLURM_JWT": JWT, "SLURM_JOB_ID": "job-4711", "OTHER_SECRET": "tr0ub4dor&3"}
    subprocess.run(
        [sys.executable, script, tmp_path / "runs", *arguments, "tr0ub4dor&3"],
        cwd=code,
        env={**os.environ, **environment},
        check=True,
        timeout=120,
    )
    (journal,) = (tmp_path / "runs").rglob("*.rlog")
    readable = _everything_in(journal)
    for secret in (PLAIN, HUGGING_FACE, OPENAI, JWT, GITHUB[::-1], "tr0ub4dor&3"):
        assert secret.encode() not in readable
        assert secret.encode() not in journal.read_bytes()
    for harmless in (b"job-4711", b"https://host/o/r.git", b"--lr", b"api_key = '***'"):
        assert harmless in readable


def _everything_in(journal: Path) -> bytes:
    """All records and blobs as they are read: in the file they are compressed."""
    with runlog.open(journal) as view:
        entries = list(view.records())
        blobs = [view.blob(e.record.digest) for e in entries if isinstance(e.record, Blob)]
    return repr(entries).encode() + b"".join(blobs)
