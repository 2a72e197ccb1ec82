"""What --help says beside the flags."""

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
        add what is piped in below the prompt; stdin is read only where there is a -
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
  omni-router eval requests.jsonl
        measure how often the router is right (omni-router eval --help)
  source <(omni-router completion bash)
        complete flags, files and route names in the shell; also zsh and fish

On a terminal output is coloured, and its tables fit the width. With --json stdout holds JSON only:
one object, an array for --list-routes, --list-models and --check, one object per line for --demo.
On exit status 2 stdout is empty, and stderr says what to correct.

files:
  ./route_config.json   the routes and their history; edit it freely (change with --route-config)
  ./outputs/            generated images (change with --output-dir)
"""

# The names of variables, and what they are for. A default stands in brackets.
VARIABLES = (
    ("HF_API_TOKEN, HF_TOKEN", "the Hugging Face token; else the login stored by `hf auth login`"),
    (
        "OMNI_ROUTE_CONFIG, OMNI_OUTPUT_DIR, OMNI_ROUTER, OMNI_ROUTER_MODEL, OMNI_SANDBOX=1",
        "the same as the flags of these names",
    ),
    (
        "OMNI_ROUTER_PROMPT",
        "json (asks for route, model and reason) or trained (the form that the checkpoint was trained on; route only)",
    ),
    ("OMNI_ROUTER_URL", "the server for --router endpoint and cascade; with one, auto is cascade"),
    ("OMNI_ROUTER_API_KEY", "the key of that server"),
    ("OMNI_ROUTER_TIMEOUT", "seconds that server may take before semantic decides instead (2)"),
    ("OMNI_FALLBACK_ROUTE", "the route that answers what no route is for; none refuses it (the policy's)"),
    ("OMNI_MAX_NEW_TOKENS", "length limit of text answers, in tokens (the provider's own)"),
    ("OMNI_ENCODER", "the encoder of semantic and cascade: a Hub id or a folder (all-MiniLM-L6-v2)"),
    (
        "OMNI_CASCADE_TARGET",
        (
            "--router cascade: semantic decides alone at or above this confidence, 0 to 1 (0.9); below it, the server of "
            "OMNI_ROUTER_URL or else arch decides, and semantic learns from that"
        ),
    ),
    ("OMNI_CASCADE_SIZE", "how many of these decisions are kept to learn from (1500)"),
    ("OMNI_CASCADE_PATH", "the file they are kept in (beside the policy, or in the store of OMNI_HISTORY)"),
    ("OMNI_CASCADE_TEXT=1", "keep the text of the requests with them"),
    (
        "OMNI_HISTORY",
        "file, postgresql://USER@HOST/DATABASE (shared by many machines), or store (of the graph that embeds this one)",
    ),
    ("OMNI_DECISION_LOG", "a file to which every decision is appended"),
    ("OMNI_DECISION_LOG_TEXT=1", "keep the text of the requests in it"),
    (
        "OMNI_API_KEY, OMNI_MAX_BODY, OMNI_MAX_CONCURRENT",
        "key and limits of /v1 (omni-router serve --help)",
    ),
    ("OMNI_TRACING=1", "send spans to the OpenTelemetry SDK of the program around the graph"),
    ("OMNI_METRICS=1", "count for Prometheus; a server shows the counts at /omni/metrics"),
    ("OMNI_CACHE_DIR", "where answers of the Hub are cached (the cache folder of the user)"),
    ("OMNI_ROUTER_NEW_IDS=1", "let arch name models that are not candidates; the catalog checks them"),
    (
        "OMNI_HOSTS",
        (
            "servers: further host names to answer to, separated by commas; *: every name (OMNI_MCP_HOSTS is its older "
            "name)"
        ),
    ),
    (
        "OMNI_THREADS",
        "how many blocking calls run at once under async hosts (64); one model takes seven eighths of them at most",
    ),
    ("OMNI_SANDBOX_LATENCY", "seconds that a simulated model takes (0)"),
    ("NO_COLOR, FORCE_COLOR", "never use colours; use them even when stdout is not a terminal"),
)

EXIT_STATUS = """\
exit status:
  0    answered; when only routing, a model was chosen
  1    no answer
  2    something to correct first
  130  interrupted
"""
