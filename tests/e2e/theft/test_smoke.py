import asyncio, json, time
import pytest
from .liar import *
from .stand import *
pytestmark = pytest.mark.e2e
M=[{"role":"user","content":"Where is it?"}]

async def show(name, t, a, n=None):
    try:
        es = await t.entries(n if n is not None else (1 if a.status==200 else 0), within=2)
    except AssertionError as e:
        es=[]; print("   !!", name, "entries", str(e)[:300])
    b=await t.stand.balance(t)
    print(f"{name:36} {a.status} cut={a.cut} len={len(a.body)} {a.headers.get('x-tollway-rewritten','')} {a.body[-150:] if a.status!=200 else ''} bal={b['balance']} "+" ".join(f"[{e['endpoint']} {e['provider']}/{e['model']} {e['ending']} {e['count']} {e['flags']} in={e['input_tokens']} out={e['output_tokens']} ch={e['charge']} unp={e['unpriced']} held={e['held']}]" for e in es))

CASES = {
 "resp max_tokens=1": ("/v1/responses", {"model":"gpt-4o","input":"hi","max_tokens":1}, {"tokens":5000}),
 "chat max_output_tokens=1": ("/v1/chat/completions", {"model":"gpt-4o","messages":M,"max_output_tokens":1}, {"tokens":5000}),
 "completions mct=1": ("/v1/completions", {"model":"gpt-3.5-turbo-instruct","prompt":"hi","max_completion_tokens":1}, {"tokens":5000}),
 "resp background": ("/v1/responses", {"model":"gpt-4o","input":"hi","background":True}, {"tokens":500}),
 "resp background esc": ("/v1/responses", {"model":"gpt-4o","input":"hi","background":True,"stream":False}, {"tokens":500}),
 "emb stream": ("/v1/embeddings", {"model":"text-embedding-3-small","input":"hi there you","stream":True}, {}),
 "compact": ("/v1/responses/compact", {"model":"gpt-4o","input":"hi there you"}, {}),
 "input_tokens": ("/v1/responses/input_tokens", {"model":"gpt-4o","input":"hi there you"}, {}),
 "batches": ("/v1/batches", {"input_file_id":"file-x","endpoint":"/v1/chat/completions","completion_window":"24h"}, {}),
 "ft": ("/v1/fine_tuning/jobs", {"model":"gpt-4o","training_file":"file-x"}, {}),
 "client_secrets": ("/v1/realtime/client_secrets", {"session":{"type":"realtime","model":"gpt-realtime"}}, {}),
 "images": ("/v1/images/generations", {"model":"gpt-image-1","prompt":"x"}, {}),
 "images nomodel": ("/v1/images/generations", {"prompt":"x"}, {}),
 "moderations": ("/v1/moderations", {"input":"x"}, {}),
 "speech": ("/v1/audio/speech", {"model":"tts-1","input":"x","voice":"alloy"}, {}),
 "native chat": ("/native/mock/v1/chat/completions", {"model":"gpt-4o","messages":M}, {"tokens":5000}),
 "native chat stream": ("/native/mock/v1/chat/completions", {"model":"gpt-4o","messages":M,"stream":True}, {"tokens":5000,"usage":"off"}),
 "native chat slash": ("/native/mock/v1/chat/completions/", {"model":"gpt-4o","messages":M}, {}),
 "pass slash": ("/v1/chat/completions/", {"model":"gpt-4o","messages":M}, {}),
 "pass //": ("/v1//chat/completions", {"model":"gpt-4o","messages":M}, {}),
 "pass /v1/chat/%63ompletions": ("/v1/chat/%63ompletions", {"model":"gpt-4o","messages":M}, {}),
 "openai/deployments": ("/openai/deployments/gpt-4o/chat/completions", {"model":"gpt-4o","messages":M}, {}),
 "unpriced": ("/v1/chat/completions", {"model":"unpriced-model","messages":M}, {}),
 "messages": ("/v1/messages", {"model":"claude/claude-sonnet-5","messages":M,"max_tokens":50}, {}),
 "gemini": ("/v1/chat/completions", {"model":"google/gemini-3.8-flash","messages":M}, {"tokens":50}),
 "n=3": ("/v1/chat/completions", {"model":"gpt-4o","messages":M,"n":3,"max_tokens":30}, {"tokens":50}),
 "retired": ("/v1/chat/completions", {"model":"gpt-4-0314","messages":M}, {}),
 "videos": ("/v1/videos", {"model":"sora-2","prompt":"x"}, {}),
 "files json": ("/v1/conversations", {}, {}),
 "vector": ("/v1/vector_stores", {"name":"x"}, {}),
 "threads run": ("/v1/threads/runs", {"assistant_id":"asst_1","thread":{}}, {}),
 "native gemini": ("/native/google/v1beta/models/gemini-3.8-flash:generateContent", {"contents":[{"role":"user","parts":[{"text":"hi"}]}]}, {"tokens":50}),
 "native anthropic": ("/native/claude/v1/messages", {"model":"claude-sonnet-5","max_tokens":50,"messages":M}, {"tokens":50}),
 "native anthropic batches": ("/native/claude/v1/messages/batches", {"requests":[]}, {"tokens":50}),
}
async def test_cases(stand):
    for name,(path,body,mock) in CASES.items():
        t = await stand.thief(usd=0.05)
        a = await t.ask(path, body, headers=controls(mock))
        await show(name,t,a)

LIES = {
 "none": completion("hello world "*20),
 "neg": completion("hello world "*20, {"prompt_tokens":-5,"completion_tokens":-5}),
 "zero": completion("hello world "*20, {"prompt_tokens":0,"completion_tokens":0}),
 "str": completion("hello world "*20, {"prompt_tokens":"5","completion_tokens":"7"}),
 "huge": completion("hello world "*20, {"prompt_tokens":10**9,"completion_tokens":10**9}),
 "10^30": completion("hello world "*20, {"prompt_tokens":10**30,"completion_tokens":10**30}),
 "null": completion("hello world "*20, {"prompt_tokens":None,"completion_tokens":None}),
 "neg out": completion("hello world "*20, {"prompt_tokens":5,"completion_tokens":-7}),
 "only prompt": completion("hello world "*20, {"prompt_tokens":5}),
 "only total": completion("hello world "*20, {"total_tokens":50}),
 "x10": completion("hello world "*20, {"prompt_tokens":5000,"completion_tokens":5000}),
 "cached>": completion("hello world "*20, {"prompt_tokens":5,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":5000}}),
 "float": completion("hello world "*20, {"prompt_tokens":5.0,"completion_tokens":7.5}),
 "text array": {**completion("", None), "choices":[{"index":0,"message":{"role":"assistant","content":[{"type":"text","text":"hello world "*20}]}}]},
 "reasoning fld": {**completion("", None), "choices":[{"index":0,"message":{"role":"assistant","content":"","reasoning":"hello world "*20}}]},
 "func call": {**completion("", None), "choices":[{"index":0,"message":{"role":"assistant","content":None,"function_call":{"name":"x","arguments":"hello world "*20}}}]},
}
async def test_lies(stand):
    for name,doc in LIES.items():
        t = await stand.thief(usd=0.9)
        a = await t.chat(headers=lie(doc), model="lying/gpt-4o")
        await show(name,t,a)
    big=completion("hello world "*20+"@PAD@",{"prompt_tokens":5,"completion_tokens":700})
    t = await stand.thief(usd=0.9); a = await t.chat(headers=lie(big,pad=3_000_000), model="lying/gpt-4o"); await show("big reported",t,a)
    big=completion("hello world "*20+"@PAD@")
    t = await stand.thief(usd=0.9); a = await t.chat(headers=lie(big,pad=3_000_000), model="lying/gpt-4o"); await show("big unreported",t,a)
    for enc in ("gzip","zstd","br"):
        t = await stand.thief(usd=0.9); a = await t.chat(headers={**lie(completion("hello world "*50), encoding=enc),"accept-encoding":enc}, model="lying/gpt-4o") if enc=="gzip" else None
        if a: await show("enc "+enc,t,a)
    doc=completion("hello world "*20,{"prompt_tokens":5,"completion_tokens":60})
    t = await stand.thief(usd=0.9); a = await t.chat(headers=lie(doc), model="lying/gpt-4o", stream=True); await show("stream->json",t,a)
    t = await stand.thief(usd=0.9); a = await t.chat(headers=lie(completion("hello world "*20)), model="lying/gpt-4o", stream=True); await show("stream->json nousage",t,a)
    sse=events(chunk("hello world "*20),chunk(),)
    t = await stand.thief(usd=0.9); a = await t.chat(headers=lie(sse,type="text/event-stream"), model="lying/gpt-4o"); await show("json->sse",t,a)
    t = await stand.thief(usd=0.9); a = await t.chat(headers=lie(completion("hello world "*20,{"prompt_tokens":5,"completion_tokens":60}),type="text/plain"), model="lying/gpt-4o"); await show("json as text/plain",t,a)
    for nm,pl in {"usage twice":[chunk("hello "*20,usage={"prompt_tokens":5,"completion_tokens":2}),chunk(),{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":20}}],
       "usage mid":[chunk("hello "*10,usage={"prompt_tokens":5,"completion_tokens":2}),chunk("hello "*10),chunk()],
       "usage none":[chunk("hello "*20),chunk()],
       "usage neg":[chunk("hello "*20),chunk(),{"choices":[],"usage":{"prompt_tokens":-5,"completion_tokens":-20}}],
       "usage zero":[chunk("hello "*20),chunk(),{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}],
       "usage str":[chunk("hello "*20),chunk(),{"choices":[],"usage":{"prompt_tokens":"5","completion_tokens":"20"}}],
       "usage null after":[chunk("hello "*20),chunk(),{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":20}},{"choices":[],"usage":None}],
       "two then smaller":[chunk("hello "*20),chunk(),{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":20}},{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}],
       "x100":[chunk("hello "*20),chunk(),{"choices":[],"usage":{"prompt_tokens":50000,"completion_tokens":50000}}],
       }.items():
        t = await stand.thief(usd=0.9); a = await t.chat(headers=lie(events(*pl),type="text/event-stream"), model="lying/gpt-4o",stream=True); await show("S "+nm,t,a)
    U={"input_tokens":200000,"output_tokens":5,"total_tokens":200005}
    R={"id":"resp_1","object":"response","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"hi"}]}],"usage":U}
    for nm,raw in {"stored prompt sp":b'{"model":"lying/gpt-4o","prompt": {"id":"pmpt_1"},"input":"x"}',
      "stored prompt":b'{"model":"lying/gpt-4o","prompt":{"id":"pmpt_1"},"input":"x"}',
      "conv esc":b'{"model":"lying/gpt-4o","conversatio\\u006e":"conv_1","input":"x"}',
      "file_url":b'{"model":"lying/gpt-4o","input":[{"role":"user","content":[{"type":"input_file","file_url":"https://x/y.pdf"}]}]}',
      "file_data":b'{"model":"lying/gpt-4o","input":[{"role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,AAAA"}]}]}',
      }.items():
        t = await stand.thief(usd=20); a = await t.ask("/v1/responses",raw=raw,headers=lie(R)); await show("U "+nm,t,a)
    A={"id":"msg_1","type":"message","role":"assistant","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","usage":{"input_tokens":200000,"output_tokens":5}}
    for nm,raw in {"doc url":{"type":"document","source":{"type":"url","url":"https://x/y.pdf"}},"doc b64":{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"}},"img url":{"type":"image","source":{"type":"url","url":"https://x/y.png"}}}.items():
        t = await stand.thief(usd=20); a = await t.ask("/v1/messages",{"model":"lying-claude/claude-sonnet-5","max_tokens":100,"messages":[{"role":"user","content":[raw]}]},headers=lie(A)); await show("A "+nm,t,a)
