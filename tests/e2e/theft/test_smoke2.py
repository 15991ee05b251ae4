import asyncio, json, time
import pytest
from .liar import *
from .stand import *
from .test_smoke import show, M
pytestmark = pytest.mark.e2e

async def ws(t, path, frames, until, mock=None, stay=0.0):
    got=[]
    url=t.stand.gateway.origin.replace("http","ws")+path
    try:
        async with t.stand.session.ws_connect(url, headers={"authorization":"Bearer "+t.key, **controls(mock)}) as s:
            for f in frames:
                await s.send_str(json.dumps(f))
                while True:
                    m = await s.receive(timeout=5)
                    got.append(m)
                    if m.type!=aiohttp.WSMsgType.TEXT or json.loads(m.data)["type"] in until: break
                if m.type!=aiohttp.WSMsgType.TEXT: break
            print("   before close", await t.stand.balance(t))
            await asyncio.sleep(stay)
    except aiohttp.WSServerHandshakeError as e:
        print("   handshake", e.status)
    print("   frames", len(got), [str(m.data)[:80] for m in got[-2:]])
class A: 
    status=200; cut=False; body=b""; headers={}
async def test_ws(stand):
    for name, path, frames, until, key in [
        ("realtime priced", "/v1/realtime?model=gpt-realtime", [{"type":"response.create"}]*3, ("response.done",), dict(usd=0.01)),
        ("realtime nomodel", "/v1/realtime", [{"type":"response.create"}]*3, ("response.done",), dict(usd=0.01)),
        ("realtime tpm", "/v1/realtime?model=gpt-realtime", [{"type":"response.create"}]*3, ("response.done",), dict(limits={"tpm":100})),
        ("responses ws", "/v1/responses?model=gpt-4o", [{"type":"response.create","model":"gpt-4o","input":"x"}]*3, ("response.completed","response.done","error"), dict(usd=0.01)),
        ("responses ws nomodel", "/v1/responses", [{"type":"response.create","model":"gpt-4o","input":"x"}]*3, ("response.completed","response.done","error"), dict(usd=0.01)),
        ("responses ws scope", "/v1/responses?model=fast", [{"type":"response.create","model":"gpt-5-pro","input":"x"}]*1, ("response.completed","response.done","error"), dict(usd=0.01, models=["fast"])),
        ("native ws", "/native/mock/v1/realtime?model=gpt-realtime", [{"type":"response.create"}]*1, ("response.done",), dict(usd=0.01)),
    ]:
        t = await stand.thief(**key)
        await ws(t, path, frames, until, {"tokens":2000})
        await show(name,t,A,1)

async def test_bg(stand):
    t = await stand.thief(usd=1)
    a = await t.ask("/v1/responses", {"model":"gpt-4o","input":"hi","background":True}, headers=controls({"tokens":500}))
    await show("bg",t,a)
    b = await t.ask("/v1/responses/"+a.document["id"], method="GET"); print(b.status, len(b.body), b.body[-300:])
    await show("bg get",t,b,2)

async def test_many(stand):
    t = await stand.thief(limits={"concurrency":5}, usd=5)
    rs = await asyncio.gather(*(t.chat({"first-token":300}, headers={"x-request-id":"same"}, max_tokens=20) for _ in range(60)))
    from collections import Counter
    print(Counter(r.status for r in rs)); es=await t.entries(5); print(len(es), {e["request_id"] for e in es})
    t = await stand.thief(limits={"rpm":10})
    rs = await asyncio.gather(*(t.chat(max_tokens=20) for _ in range(60))); print(Counter(r.status for r in rs))
    t = await stand.thief(limits={"rpm":10})
    rs = [await t.ask("/v1/models", method=m) for m in ("GET","HEAD","OPTIONS","GET") for _ in range(5)]; print(Counter(r.status for r in rs))

async def test_tpm(stand):
    for lim in ({"tpm":300},{"output_tpm":200}):
      for mock in ({"tokens":4000},{"tokens":4000,"encoding":"gzip"},{"tokens":4000,"tool-calls":3},{"reasoning":4000,"tokens":20,"flavour":"deepseek"},{"tokens":4000,"split":1},{"tokens":4000,"framing":"crlf"},{"tokens":4000,"unicode":"on"},{"tokens":4000,"flavour":"siliconflow"},{"tokens":4000,"flavour":"xai"},{"tokens":4000,"flavour":"vllm"},{"tokens":4000,"flavour":"perplexity"}):
        t = await stand.thief(limits=lim)
        kw={}
        if "tool-calls" in mock: kw["tools"]=[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}}}}}]
        a = await t.chat(mock, stream=True, headers={"accept-encoding": "gzip" if "encoding" in mock else "identity"}, **kw)
        await show(f"{lim} {mock}",t,a)
        print("       ", a.body[-200:])
