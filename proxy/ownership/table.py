"""The stateful paths as data: which segments are ids, what an answer hands out, what it lists. Paths are below the surface's prefix.

Segments: ``{file}`` must belong to the caller; ``{~run}`` lives under an object before it, so it must only not be known as somebody
else's; ``{=name}`` is free text; ``{model...}`` is the rest, a model's name. Sources: the API descriptions of OpenAI, Anthropic, Mistral
and Cohere, November 2026; Google's resource names are read in ``google``.
"""

from msgspec import Struct

PROVIDER_PAGE = 100
"""Items asked for at once when further pages of a list are looked through; no provider's limit is below it."""


class Row(Struct, frozen=True, kw_only=True):
    """One operation. ``kind`` names its object in errors.

    ``made``: where a successful answer names what belongs to the caller from now on (``output[].id``: of each item); in a list, each
    of the caller's items. ``says``: what the answer's ``object`` is, where other answers may come translated.
    ``listed``: the member that lists objects of every account, and ``item`` their id; ``cursor``: the query parameter that continues
    after an id; ``only``: an item whose id does not begin so is nobody's. ``deletes``: is the object that the path names last gone?
    ``stored``: only where the request says ``store: true``.
    ``refused``: why the operation cannot be told apart by account.
    """

    method: str
    template: str
    kind: str = "object"
    made: tuple[str, ...] = ()
    listed: str = ""
    item: str = "id"
    cursor: str = "after"
    only: str = ""
    deletes: bool = False
    stored: bool = False
    says: str = ""
    refused: str = ""


def _kind(template: str) -> str:
    """What the path's last id is called in an error: ``{vector_store}`` is a vector store."""
    slots = [part.strip("{}~=.") for part in template.split("/") if part.startswith("{") and part[1] != "="]
    return slots[-1].replace("_", " ") if slots else "object"


def _get(template: str, *made: str) -> Row:
    return Row(method="GET", template=template, kind=_kind(template), made=made)


def _list(
    template: str, *made: str, listed: str = "data", item: str = "id", cursor: str = "after", only: str = ""
) -> Row:
    return Row(method="GET", template=template, made=made, listed=listed, item=item, cursor=cursor, only=only)


def _post(template: str, *made: str, stored: bool = False) -> Row:
    says = "response" if made == RESPONSE else ""
    return Row(method="POST", template=template, kind=_kind(template), made=made, stored=stored, says=says)


def _delete(template: str, *, forgets: bool = True) -> Row:
    return Row(method="DELETE", template=template, kind=_kind(template), deletes=forgets)


def _object(template: str, *, change: str | None = "POST") -> tuple[Row, ...]:
    """An object that is read, deleted and, but for some, changed."""
    changes = (Row(method=change, template=template, kind=_kind(template)),) if change is not None else ()
    return (_get(template), *changes, _delete(template))


def _refused(method: str, template: str, why: str) -> Row:
    return Row(method=method, template=template, refused=why)


RESPONSE = (
    "id",
    "conversation.id",
    "output[].id",
    "output[].container_id",
    "output[].environment.container_id",
)
"""What a response hands out; its items can be referred to in later requests."""

BATCH = ("id", "output_file_id", "error_file_id", "output_file", "error_file")
JOB = ("id", "fine_tuned_model", "result_files[]", "checkpoints[].fine_tuned_model_checkpoint")
RUN = ("id", "thread_id")
CHAT = ("id", "choices[].message.audio.id")

_STATELESS = """/completions /embeddings /moderations /rerank /score /decisions /tokens /audio/speech /audio/transcriptions
/audio/translations /images/generations /responses/input_tokens /messages/count_tokens /content_provenance_checks
/fine_tuning/alpha/graders/run /fine_tuning/alpha/graders/validate""".split()

CHATS = (
    _post("/chat/completions", *CHAT, stored=True),
    _list("/chat/completions"),
    *_object("/chat/completions/{chat_completion}"),
    _get("/chat/completions/{chat_completion}/messages"),
)

RESPONSES = (
    _post("/responses", *RESPONSE),
    _post("/responses/compact", *RESPONSE),
    _get("/responses/{response}", *RESPONSE),
    _delete("/responses/{response}"),
    _post("/responses/{response}/cancel", *RESPONSE),
    _get("/responses/{response}/input_items"),
    _post("/conversations", "id"),
    *_object("/conversations/{conversation}"),
    _post("/conversations/{conversation}/items", "data[].id"),
    _get("/conversations/{conversation}/items"),
    _get("/conversations/{conversation}/items/{~item}"),
    _delete("/conversations/{conversation}/items/{~item}"),
    *_object("/prompts/{prompt}"),
    _post("/prompts", "id"),
    _list("/prompts"),
)

FILES = (
    _post("/files", "id"),
    _list("/files"),
    _get("/files/{file}"),
    _delete("/files/{file}"),
    _get("/files/{file}/content"),
    _get("/files/{file}/url"),
    _post("/uploads", "id"),
    _get("/uploads/{upload}", "file.id"),
    _post("/uploads/{upload}/parts", "id"),
    _post("/uploads/{upload}/complete", "file.id"),
    _post("/uploads/{upload}/cancel"),
    _post("/batches", *BATCH),
    _list("/batches", *BATCH),
    _get("/batches/{batch}", *BATCH),
    _post("/batches/{batch}/cancel", *BATCH),
    _post("/batch/jobs", *BATCH),
    _list("/batch/jobs", *BATCH, cursor=""),
    _get("/batch/jobs/{batch}", *BATCH),
    _post("/batch/jobs/{batch}/cancel", *BATCH),
)

TUNING = (
    _post("/fine_tuning/jobs", *JOB),
    _list("/fine_tuning/jobs", *JOB),
    _get("/fine_tuning/jobs/{fine_tuning_job}", *JOB),
    *(_post(f"/fine_tuning/jobs/{{fine_tuning_job}}/{verb}", *JOB) for verb in ("cancel", "pause", "resume", "start")),
    _get("/fine_tuning/jobs/{fine_tuning_job}/events"),
    _get("/fine_tuning/jobs/{fine_tuning_job}/checkpoints", "data[].fine_tuned_model_checkpoint"),
    _get("/fine_tuning/checkpoints/{checkpoint}/permissions"),
    _post("/fine_tuning/checkpoints/{checkpoint}/permissions", "data[].id"),
    _delete("/fine_tuning/checkpoints/{checkpoint}/permissions/{~permission}"),
    _list("/models", only="ft:", cursor=""),
    _get("/models/{model...}"),
    _delete("/models/{model...}"),
)

VECTOR_STORES = (
    _post("/vector_stores", "id"),
    _list("/vector_stores"),
    *_object("/vector_stores/{vector_store}"),
    _post("/vector_stores/{vector_store}/search"),
    _post("/vector_stores/{vector_store}/files"),
    _get("/vector_stores/{vector_store}/files"),
    *_object("/vector_stores/{vector_store}/files/{file}")[:2],
    _delete("/vector_stores/{vector_store}/files/{file}", forgets=False),
    _get("/vector_stores/{vector_store}/files/{file}/content"),
    _post("/vector_stores/{vector_store}/file_batches", "id"),
    _get("/vector_stores/{vector_store}/file_batches/{file_batch}"),
    _post("/vector_stores/{vector_store}/file_batches/{file_batch}/cancel"),
    _get("/vector_stores/{vector_store}/file_batches/{file_batch}/files"),
)

CONTAINERS = (
    _post("/containers", "id"),
    _list("/containers"),
    _get("/containers/{container}"),
    _delete("/containers/{container}"),
    _post("/containers/{container}/files", "id"),
    _get("/containers/{container}/files"),
    _get("/containers/{container}/files/{~container_file}"),
    _delete("/containers/{container}/files/{~container_file}"),
    _get("/containers/{container}/files/{~container_file}/content"),
    _post("/skills", "id"),
    _list("/skills"),
    *_object("/skills/{skill}"),
    _get("/skills/{skill}/content"),
    _post("/skills/{skill}/versions", "id"),
    _get("/skills/{skill}/versions"),
    _get("/skills/{skill}/versions/{=version}"),
    _delete("/skills/{skill}/versions/{=version}", forgets=False),
    _get("/skills/{skill}/versions/{=version}/content"),
)

ASSISTANTS = (
    _post("/assistants", "id"),
    _list("/assistants"),
    *_object("/assistants/{assistant}"),
    _post("/threads", "id"),
    *_object("/threads/{thread}"),
    _post("/threads/runs", *RUN),
    _post("/threads/{thread}/messages", "id"),
    _get("/threads/{thread}/messages"),
    *_object("/threads/{thread}/messages/{~message}"),
    _post("/threads/{thread}/runs", *RUN),
    _get("/threads/{thread}/runs"),
    *_object("/threads/{thread}/runs/{~run}")[:2],
    _post("/threads/{thread}/runs/{~run}/submit_tool_outputs"),
    _post("/threads/{thread}/runs/{~run}/cancel"),
    _get("/threads/{thread}/runs/{~run}/steps"),
    _get("/threads/{thread}/runs/{~run}/steps/{~run_step}"),
)

EVALS = (
    _post("/evals", "id"),
    _list("/evals"),
    *_object("/evals/{eval}"),
    _post("/evals/{eval}/runs", "id"),
    _get("/evals/{eval}/runs"),
    *_object("/evals/{eval}/runs/{~eval_run}"),
    _get("/evals/{eval}/runs/{~eval_run}/output_items"),
    _get("/evals/{eval}/runs/{~eval_run}/output_items/{~output_item}"),
    _post("/graders", "id"),
    _list("/graders"),
    *_object("/graders/{grader}"),
)

MEDIA = (
    _post("/images/edits"),
    _post("/images/variations"),
    _post("/videos", "id"),
    _list("/videos"),
    _get("/videos/{video}"),
    _delete("/videos/{video}"),
    _get("/videos/{video}/content"),
    _post("/videos/{video}/remix", "id"),
    _post("/videos/edits", "id"),
    _post("/videos/extensions", "id"),
    _post("/videos/characters", "id"),
    _list("/videos/characters"),
    _get("/videos/characters/{character}"),
    _delete("/videos/characters/{character}"),
    _post("/audio/voices", "id"),
    _list("/audio/voices", only="voice_"),
    _get("/audio/voices/{voice}"),
    _delete("/audio/voices/{voice}"),
    _post("/audio/voice_consents", "id"),
    _list("/audio/voice_consents"),
    *_object("/audio/voice_consents/{voice_consent}"),
)

REALTIME = (
    _get("/realtime"),
    _post("/realtime/client_secrets", "session.id"),
    _post("/realtime/sessions", "id"),
    _post("/realtime/transcription_sessions", "id"),
    _post("/realtime/translations/client_secrets", "session.id"),
    _get("/realtime/translations"),
    _post("/realtime/calls", "location"),
    *(_post(f"/realtime/calls/{{call}}/{verb}") for verb in ("accept", "reject", "refer", "hangup")),
    _get("/live"),
    _post("/live/sessions", "id", "location"),
    _get("/live/sessions/{live_session}"),
    *(
        _post(f"/live/sessions/{{live_session}}/{verb}", "id")
        for verb in ("accept", "attach", "content", "fork", "hangup", "refer", "reject")
    ),
    _post("/chatkit/sessions", "id"),
    _post("/chatkit/sessions/{chatkit_session}/cancel"),
    _list("/chatkit/threads"),
    _get("/chatkit/threads/{chatkit_thread}"),
    _delete("/chatkit/threads/{chatkit_thread}"),
    _get("/chatkit/threads/{chatkit_thread}/items"),
    _post("/chatkit/files", "id"),
)

OTHERS = (
    _post("/messages", "container.id"),
    _post("/messages/batches", "id"),
    _list("/messages/batches", cursor="after_id"),
    _get("/messages/batches/{message_batch}"),
    _delete("/messages/batches/{message_batch}"),
    _post("/messages/batches/{message_batch}/cancel"),
    _get("/messages/batches/{message_batch}/results"),
    _post("/agents", "id"),
    _list("/agents", cursor=""),
    *_object("/agents/{agent}", change="PATCH"),
    _post("/libraries", "id"),
    _list("/libraries", cursor=""),
    *_object("/libraries/{library}", change="PUT"),
    _post("/libraries/{library}/documents", "id"),
    _get("/libraries/{library}/documents"),
    *_object("/libraries/{library}/documents/{~document}", change="PUT"),
    _post("/datasets", "id"),
    _list("/datasets", listed="datasets", cursor=""),
    _get("/datasets/{dataset}"),
    _delete("/datasets/{dataset}"),
    _post("/embed-jobs", "job_id"),
    _list("/embed-jobs", listed="embed_jobs", item="job_id", cursor=""),
    _get("/embed-jobs/{embed_job}"),
    _post("/embed-jobs/{embed_job}/cancel"),
    _post("/async-invoke", "invocationArn"),
    _list("/async-invoke", listed="asyncInvokeSummaries", item="invocationArn", cursor=""),
    _get("/async-invoke/{invocation}"),
)

TABLE: tuple[Row, ...] = (
    *(_post(path) for path in _STATELESS),
    *CHATS,
    *RESPONSES,
    *FILES,
    *TUNING,
    *VECTOR_STORES,
    *CONTAINERS,
    *ASSISTANTS,
    *EVALS,
    *MEDIA,
    *REALTIME,
    *OTHERS,
    _refused("GET", "/webhooks", "they are told of the objects of every account"),
    _refused("POST", "/webhooks", "they are told of the objects of every account"),
)

EVERYBODYS_SOURCES = frozenset(("stored_completions", "logs", "responses"))
"""Data sources of an eval that read what every account has stored; there is no way to narrow them to one."""

FAMILIES: frozenset[str] = frozenset(row.template.split("/")[1] for row in TABLE if "{" in row.template)
"""First segments behind which, on a path without a row, the second names an object."""
