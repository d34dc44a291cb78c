"""Secrets in a diff are hidden however they are written, and code stays code."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from runlog.capture import diff_secrets

PLAIN = "correct-horse-battery"
RANDOM = "a1b2c3d4e5f60718293a4b5c"


def cleaned(text: str) -> str:
    """A text with both sides of a diff, or lines that were all added."""
    lines = text.strip("\n").split("\n")
    given = [f"{line}\n" for line in lines]
    return "".join(diff_secrets.source(given)).removesuffix("\n")


def added(name: str, text: str) -> str:
    """A file that was added, cleaned: its lines."""
    body = [f"+{line}" for line in text.strip("\n").split("\n")]
    head = [
        f"diff --git a/{name} b/{name}",
        "new file",
        "--- /dev/null",
        f"+++ b/{name}",
        "@@ -0,0 +1 @@",
    ]
    out = cleaned("\n".join((*head, *body))).split("\n")
    assert out[: len(head)] == head
    return "\n".join(line.removeprefix("+") for line in out[len(head) :])


def cases() -> dict[str, tuple[str, str, str]]:
    """File, text and what is left of it, by the name of the case."""
    table = (Path(__file__).parent / "secrets_in_diffs.txt").read_text()
    found = {}
    for case in table.split("==== ")[1:]:
        heading, _, text = case.removesuffix("\n").partition("\n")
        given, _, made = text.partition("\n--->\n")
        given = given.replace("PLAIN", PLAIN).replace("RANDOM", RANDOM).replace("AKIA+", "AKIA")
        name, _, file = heading.partition(" | ")
        found[name] = (file, given, made)
    return found


CASES = cases()


@pytest.mark.parametrize("case", CASES)
def test_a_secret_is_hidden(case: str) -> None:
    name, text, made = CASES[case]
    assert added(name, text) == made
    assert PLAIN not in made
    assert RANDOM not in made


CLEAR = {
    "a.py": """
max_tokens = 512
token_count: int = 5
tokenizer = AutoTokenizer.from_pretrained("gpt2")
token = tokenizer(text)
keyboard = "qwerty"
monkey = "cat"
keys = ["a", "b"]
for key, value in pairs.items():
    if key == "train/loss":
        loss = model(x, key=key)
mask_token = "[MASK]"
pad_token: "<pad>"
def connect(password: str, user: str = "me") -> None:
class Credentials:
    password: Optional[str] = None
    api_key = os.environ["API_KEY"]
    secret = config.secret
    def __init__(self, token): self.token = token
author = "me"
passed = "yes"
print("the password: {}".format(name))
print(f"token={token} of {max_tokens}")
parser.add_argument("--api-key", help="the key to use")
parser.add_argument("--password", required=True)
path = "data/train_2020.json"
base_config_key = "text_config"
cache_key = f"{name}_{step}"
layer_keys = ["encoder.block.0.layer.0.weight", "decoder.block.10.bias"]
the_tokens = '''
Token ids of the text, with the mask of the tokens that it has.
'''
# Runs basic whitespace splitting of a bearer authorization header.
secret_bytes = password.encode("utf-8")
x = {"a": "b", "c": ["d", "e"]}
use_auth_token = True
'''The key: a dictionary's, or None.'''
""",
    "a.yaml": """
max_tokens: 512
token_count: 5
tokenizer: gpt2
keyboard: qwerty
special_tokens:
  - <pad>
  - "[MASK]"
keys:
  - image
  - label
num_key_value_heads: 8
use_auth_token: false
password: null
api_key: ${API_KEY}
secret: "{{ vault.secret }}"
author:
  - me
run: |
  python train.py
""",
    "a.json": """
{"max_tokens": 512, "tokenizer": "gpt2", "pad_token": "<pad>", "password": null}
""",
    "a.sh": """
python train.py --max-tokens 512 --tokenizer gpt2
export API_KEY=$(cat key)
curl -H "Authorization: $TOKEN" https://host/x?page=2
PATH=$PATH:/usr/bin
git clone git@github.com:o/r.git
""",
    "a.md": """
Set the password with `--password`, or see the section on keys.
A token is a word: tokens are counted.
""",
}


@pytest.mark.parametrize("name", CLEAR)
def test_what_is_no_secret_stays_as_it_is(name: str) -> None:
    text = CLEAR[name].strip("\n")
    for line, made in zip(text.split("\n"), added(name, text).split("\n"), strict=True):
        assert made == line


def test_each_side_of_a_diff_is_a_text_of_its_own() -> None:
    given = f"""
 name: a
-password: >-
-  {PLAIN}
+password: |
+  {RANDOM}
+  more
 shared: clear
-tokens: ["{RANDOM}"]
 last: clear
"""
    assert cleaned(given) == (
        " name: a\n-password: >-\n-  ***\n+password: |\n+  ***\n+  ***\n shared: clear\n"
        '-tokens: ["***"]\n last: clear'
    )


def test_a_line_that_did_not_change_is_hidden_if_either_side_says_so() -> None:
    given = f'-passwords = [\n+passwords = [  # more\n     "{PLAIN}",\n ]\n x = "clear"'
    made = '-passwords = [\n+passwords = [  # more\n     "***",\n ]\n x = "clear"'
    assert cleaned(given) == made


def test_what_a_hunk_begins_amid_of_is_known_by_its_heading() -> None:
    given = f"""
diff --git a/a.yaml b/a.yaml
--- a/a.yaml
+++ b/a.yaml
@@ -7,3 +7,3 @@ password: >-
   one
-  {PLAIN}
+  {RANDOM}
@@ -20,2 +20,2 @@ name: a
   clear
@@ -30,2 +30,2 @@ password: {PLAIN}
 x: 1
"""
    made = cleaned(given)
    assert PLAIN not in made
    assert RANDOM not in made
    assert "\n   ***\n-  ***\n+  ***\n@@" in made
    assert made.endswith("@@ name: a\n   clear\n@@ -30,2 +30,2 @@ password: ***\n x: 1")


def test_a_hunk_amid_a_private_key_is_hidden_as_far_as_it_goes() -> None:
    middle = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
    given = f"@@ -5,4 +5,4 @@\n {middle}\n-{middle}\n+{middle}\n -----END PRIVATE KEY-----\n x = 1"
    made = cleaned(given).split("\n")
    assert made[1:] == [" ***", "-***", "+***", " -----END PRIVATE KEY-----", " x = 1"]
    hexadecimal = "0123456789abcdef" * 4
    assert cleaned(f"@@ -5 +5 @@\n {hexadecimal}").endswith(hexadecimal)


def test_headers_of_a_file_stay_and_what_looks_like_one_is_a_line() -> None:
    given = f"""
diff --git a/token.py b/token.py
index 37f64c6..9a1b2c3 100644
--- a/token.py
+++ b/token.py
@@ -1,2 +1,2 @@
--- password = "{PLAIN}"
+++ password = "{PLAIN}"
\\ No newline at end of file
"""
    made = cleaned(given)
    assert made.count("***") == 2
    assert made.startswith("diff --git a/token.py b/token.py\nindex 37f64c6..9a1b2c3 100644\n--- a")
    assert made.endswith("\\ No newline at end of file")


def test_ends_of_lines_and_any_bytes_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "gehe1m-öffne-dich")
    utf8 = "gehe1m-öffne-dich".encode().decode("latin-1")
    given = [f'+pw = "{PLAIN}"\r\n', f"+x {utf8} y\r\n", "+\x85 \x0c token\n", "+last"]
    assert list(diff_secrets.source(given)) == [
        '+pw = "***"\r\n', "+x *** y\r\n", "+\x85 \x0c token\n", "+last"
    ]  # fmt: skip


LONG = [
    "A",
    "a=",
    "key=",
    'key="',
    "key='",
    "sk-a",
    "eyJaaaaa-",
    "a.",
    "a://",
    "--a ",
    " ",
    '\\"',
    "[",
    "token=x&",
    "x,",
]


@pytest.mark.parametrize("piece", LONG)
def test_a_long_line_takes_no_long_time(piece: str) -> None:
    """The training thread waits while a search goes on; these took minutes."""
    for size in (diff_secrets.LONGEST - 20, 1 << 20):
        line = f"+key {piece * (size // len(piece))} sig\n"
        began = time.process_time()
        (made,) = diff_secrets.source([line])
        assert time.process_time() - began < 1
        assert len(made) > diff_secrets.LONGEST / 2 or made == "+***\n"
