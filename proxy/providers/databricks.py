"""Databricks: models are serving endpoints; Claude's reasoning comes as parts of the content."""

from .compatible import provider_of
from .openai_dialect import edits, messages
from .openai_dialect.params import CAP, OPENAI_ONLY, ParamMap
from .openai_dialect.quirks import RATE, Meaning, Quirks
from .openai_dialect.spec import Compatible

DATABRICKS = Compatible(
    name="databricks",
    base_url="https://{host}/serving-endpoints",
    keys=("DATABRICKS_TOKEN", "DATABRICKS_API_KEY"),
    settings={"host": ("DATABRICKS_HOST",)},
    offers=frozenset(("embeddings", "completions", "responses")),
    params=ParamMap(
        rename=CAP,
        drop=OPENAI_ONLY | {"parallel_tool_calls"},
        edits=(edits.LAX_TOOLS,),
        messages=(messages.SYSTEM, messages.plain(), messages.SAID_SOMETHING, messages.NAMED_RESULTS),
    ),
    quirks=Quirks(
        meanings={
            "REQUEST_LIMIT_EXCEEDED": RATE,
            "BAD_REQUEST": Meaning(400, "invalid_request_error", "bad_request"),
            "INVALID_PARAMETER_VALUE": Meaning(400, "invalid_request_error", "invalid_value"),
            "RESOURCE_DOES_NOT_EXIST": Meaning(404, "invalid_request_error", "model_not_found"),
        }
    ),
)

provider = provider_of(DATABRICKS)
