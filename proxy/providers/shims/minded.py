"""What a model minds in a request, by the words in it: whoever writes none of them is passed on unread.

The rules themselves are in ``rules`` and ``messages``; a name that one of them could act on must be here.
"""

from ...catalogue.behaviour import Behaviour


def minded(behaviour: Behaviour) -> frozenset[str] | None:
    """Members for whose sake a chat could have to change.

    ``None``: whatever it is made of, since its messages could. Caps above what the model writes, and both kinds of instructions side
    by side where it takes ``developer``, are not told by names.
    """
    if not behaviour.adapt:
        return frozenset()
    if not behaviour.tools or behaviour.system_role == "none":
        return None
    names = {"reasoning_effort"}
    if not behaviour.tools_while_reasoning:
        names |= {"tools", "functions"}
    if not behaviour.images:
        names.add("image_url")
    if not behaviour.several:
        names.add("n")
    if behaviour.completion_cap:
        names.add("max_tokens")
    if behaviour.sampling != "yes":
        names |= {"temperature", "top_p", "logprobs", "top_logprobs"}
    if not behaviour.logprobs:
        names |= {"logprobs", "top_logprobs"}
    if not behaviour.penalties:
        names |= {"presence_penalty", "frequency_penalty"}
    for name, taken in (
        ("parallel_tool_calls", behaviour.parallel_tool_calls),
        ("logit_bias", behaviour.logit_bias),
        ("prediction", behaviour.prediction),
        ("verbosity", behaviour.verbosity),
        ("stop", behaviour.stop),
        ("response_format", behaviour.json_mode and behaviour.json_schema),
        ("stream", behaviour.streaming),
    ):
        if not taken:
            names.add(name)
    return frozenset(names)
