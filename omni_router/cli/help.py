"""The parts of --help beside the flags: examples, files, variables, exit statuses."""

from omni_router.config.parsing import Variable

EXAMPLES = """\
examples:
  omni-router --list-routes
        every route, what it is for, and the models it has used
  omni-router --list-models code_generation
        the models that providers serve for a route, or for a task such as text-to-image
  omni-router --prompt "Write a haiku about rivers" --sandbox
        try it with simulated models: no token, no network
  HF_TOKEN=hf_... omni-router --prompt "Write a haiku about rivers"
        the same with real ones
  omni-router --prompt "What flower is this?" --image-url garden.jpg
        ask about an image: a local file or a public address
  git diff | omni-router --prompt "Write a commit message for this" -
        add the piped text below the prompt; stdin is read only if there is a -
  omni-router --prompt - < question.txt
        the prompt from stdin
  curl -s https://example.com/garden.jpg | omni-router --prompt "What flower is this?" --image-url -
        the image from stdin
  omni-router --prompt "Plot twist ideas?" --route creative_writing --model ORG/NAME
        choose the route, the model, or both yourself
  omni-router --prompt "Plot twist ideas?" --skip-specialists --json | jq .route
        only route, for a script
  omni-router --check
        find problems in the policy: routes that overlap, models that no provider serves any more
  omni-router --prompt "Plot twist ideas?" --decision-log decisions.jsonl
  omni-router --why --decision-log decisions.jsonl
        keep a log of decisions, and explain the last one
  omni-router --replay decisions.jsonl --route-config new.json
        what a changed policy would have decided; exit status 1 when any decision differs
  omni-router --feedback 3f9a good
        rate a logged decision: good, bad, or the route it should have been (other: none fits)
  omni-router chat
        a conversation, with the reason for each choice (omni-router chat --help)
  omni-router --prompt "Write a haiku about rivers" --server http://127.0.0.1:8080
        let a running omni-router serve answer: nothing is loaded here
  omni-router eval requests.jsonl
        measure how often the router is right (omni-router eval --help)
  source <(omni-router completion bash)
        complete flags, files and route names in the shell; also zsh and fish

On a terminal output is coloured, and its tables fit the width. With --json stdout holds JSON only:
one object, an array for --list-routes, --list-models and --check, one object per line for --demo.
On exit status 2 it is empty then; stderr says what to correct.

files:
  ./route_config.json   the routes and their history; edit it freely (change with --route-config)
  ./outputs/            generated images (change with --output-dir)
"""

# Variables that other programs share.
SHARED_VARIABLES = (
    ("HF_API_TOKEN, HF_TOKEN", "the Hugging Face token; by default the login stored by `hf auth login`"),
    ("NO_COLOR, FORCE_COLOR", "never use colours; use them even when stdout is not a terminal"),
)

EXIT_STATUS = """\
exit status:
  0    answered; when only routing, a model was chosen
  1    no answer
  2    something to correct first
  130  interrupted
"""


def describe_variables(*variables: Variable) -> list[tuple[str, str]]:
    """Return the name of each variable, and its help with the default in brackets."""
    return [(variable.name, _describe(variable)) for variable in variables]


def _describe(variable: Variable) -> str:
    if not variable.shown_default:
        return variable.help
    return f"{variable.help} ({variable.shown_default})"
