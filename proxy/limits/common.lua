-- The beginning of every script: time that never goes back, counters by method, reservations whose lease has run out.
-- Lua 5.1 as Redis 6.2 and every Valkey have it. Amounts are whole numbers below 2^53; times are microseconds.

local BUCKETS = 60     -- of a window, besides the current one
local GRAIN = 1e-6     -- of a request or token: what rounding may have added
local SOON = 1000000   -- when to ask again for what requests under way hold: nobody knows when they end
local MOMENT = 1000    -- the shortest wait worth naming
local DAY = 86400000   -- milliseconds that counters with holds, and records of reservations, stay
local SWEPT = 20       -- reservations that one call ends
local CLOCK, LEASES = '{tollway}:clock', '{tollway}:leases'
local SEEDED, SEEDER, RECORD = '{tollway}:seeded', '{tollway}:seeder', '{tollway}:r:'

local call, floor, ceil, max, min = redis.call, math.floor, math.ceil, math.max, math.min

-- The server's time, and what was lost whenever it was put back (or a server with another clock took over).
local function time()
  local told = call('TIME')
  local known = call('HMGET', CLOCK, 'last', 'behind')
  local last, behind = tonumber(known[1]) or 0, tonumber(known[2]) or 0
  local now = told[1] * 1000000 + told[2] + behind
  if now < last - 100000 then
    call('HSET', CLOCK, 'behind', behind + last - now)
    return last
  end
  if now > last + 50000 then
    call('HSET', CLOCK, 'last', now)
  end
  return max(now, last)
end

-- ---- counters: tables with key, kind, period (seconds), limit, and once read used, held, added -------------------------

-- The slots of a window are numbered by bucket modulo 61; u is their sum when bucket b was the current one.
local function read_window(c, now)
  local found = call('HMGET', c.key, 'h', 'u', 'b')
  local width = c.period * 1000000 / BUCKETS
  local bucket, last = floor(now / width), tonumber(found[3])
  c.held, c.used, c.width, c.stale = tonumber(found[1]) or 0, tonumber(found[2]) or 0, width, {}
  if not last or last >= bucket then
    c.bucket, c.last = last or bucket, last
    return
  end
  c.bucket, c.last = bucket, last
  for place = last - BUCKETS, min(bucket - BUCKETS - 1, last) do
    c.stale[#c.stale + 1] = place % (BUCKETS + 1)
  end
  if bucket - last > BUCKETS then
    c.used = 0
    return
  end
  for _, amount in ipairs(call('HMGET', c.key, unpack(c.stale))) do
    c.used = c.used - (tonumber(amount) or 0)
  end
end

-- A level that drains at limit a period: GCRA, kept as an amount and its moment.
local function read_steady(c, now)
  local found = call('HMGET', c.key, 'h', 'l', 't')
  local level, at = tonumber(found[2]) or 0, tonumber(found[3]) or now
  c.held, c.rate = tonumber(found[1]) or 0, c.limit / (c.period * 1000000)
  c.level = max(level - max(now - at, 0) * c.rate, 0)
  c.used = max(ceil(c.level - GRAIN), 0)
end

local function read(c, now)
  c.added, c.touched = 0, false
  if c.kind == 'w' then
    read_window(c, now)
  elseif c.kind == 's' then
    read_steady(c, now)
  else
    local found = call('HMGET', c.key, 'h', 'u')
    c.held, c.used, c.known = tonumber(found[1]) or 0, tonumber(found[2]) or 0, found[1] or found[2]
  end
  return c
end

-- Used, now. A correction downwards of a window is not taken: which bucket it belongs to is not known.
local function add(c, amount)
  c.touched = true
  if c.kind == 'w' then
    amount = max(amount, 0)
    c.used, c.added = c.used + amount, c.added + amount
    if amount > 0 then
      c.last = c.bucket
    end
  elseif c.kind == 's' then
    c.level = max(c.level + amount, 0)
    c.used = max(ceil(c.level - GRAIN), 0)
  elseif c.kind == 'm' then
    c.used = max(c.used + amount, 0)
  end
end

local function write(c, now)
  local key, stay = c.key, c.period * 2000
  if c.kind == 'w' then
    if c.added > 0 then
      if #c.stale > 0 then
        call('HDEL', key, unpack(c.stale))
      end
      call('HINCRBY', key, c.bucket % (BUCKETS + 1), c.added)
      call('HSET', key, 'h', c.held, 'u', c.used, 'b', c.bucket)
    else
      call('HSET', key, 'h', c.held)
    end
  elseif c.kind == 's' then
    call('HSET', key, 'h', c.held, 'l', c.level, 't', now)
  elseif c.kind == 'm' then
    call('HSET', key, 'h', c.held, 'u', c.used)
    if c.period > 0 then
      call('PEXPIRE', key, c.period * 1000)
    end
    return
  elseif c.held == 0 then
    call('DEL', key)
    return
  else
    call('HSET', key, 'h', c.held)
  end
  call('PEXPIRE', key, c.held > 0 and max(stay, DAY) or stay)
end

-- Microseconds until nothing counts, were all that is held used now. Calendar periods are the caller's to know.
local function reset(c, now)
  if c.kind == 'w' and (c.held > 0 or c.used > 0) then
    return max(((c.held > 0 and c.bucket or c.last) + BUCKETS + 1) * c.width - now, 0)
  elseif c.kind == 's' then
    return (c.level + c.held) / c.rate
  end
  return 0
end

-- Microseconds until need can be granted; -1: never.
local function wait(c, need, room, now)
  local excess = need - room
  if c.kind == 'm' or need > c.limit then
    return -1
  elseif c.kind == 's' and excess <= c.used then
    return max((excess - c.used + c.level) / c.rate, MOMENT)
  elseif c.kind == 'w' and excess <= c.used then
    local slots = {}
    for place = c.bucket - BUCKETS, c.bucket do
      slots[#slots + 1] = place % (BUCKETS + 1)
    end
    for turn, amount in ipairs(call('HMGET', c.key, unpack(slots))) do
      local place = c.bucket - BUCKETS + turn - 1
      excess = excess - (place <= c.last and tonumber(amount) or 0)
      if excess <= 0 then
        return max((place + BUCKETS + 1) * c.width - now, MOMENT)
      end
    end
  end
  return SOON
end

-- Every counter of a call is read once, so that two charges of one see each other, and written once if it was touched.
local counters = {}

local function find(key, kind, period, limit, now)
  local c = counters[key]
  if not c then
    c = read({key = key, kind = kind, period = period, limit = limit}, now)
    counters[key] = c
  end
  return c
end

local function hold(c, amount)
  c.held, c.touched = max(c.held + amount, 0), true
end

local function keep(now)
  for _, c in pairs(counters) do
    if c.touched then
      write(c, now)
    end
  end
end

-- Do the counters know what the database knows? Those that begin with its figures say nothing before.
local seeded_already
local function seeded()
  if seeded_already == nil then
    seeded_already = call('EXISTS', SEEDED) == 1
  end
  return seeded_already
end

-- The refusal that lasts longest: place (from 1), need, left, wait (-1: for ever), reason (1: unseeded).
local refusal
local function refuse(place, need, left, pause, reason)
  local longest = refusal and refusal[5]
  if not longest or (longest ~= -1 and (pause == -1 or pause > longest)) then
    refusal = {0, place, need, left, ceil(pause), reason}
  end
end

-- ---- reservations: records of key, held, spent for each thing held ----------------------------------------------------

-- Gives back what a record holds. Only the counters' holds are touched, so nothing about their rules must be known.
local function give_back(record)
  for at = 1, #record, 3 do
    local key, held = record[at], record[at + 1]
    local all = held > 0 and tonumber(call('HGET', key, 'h'))
    if all then
      call('HSET', key, 'h', max(all - held, 0))
    end
    record[at + 1] = 0
  end
end

local function keep_record(ident, record)
  call('SET', RECORD .. ident, cmsgpack.pack(record), 'PX', DAY)
end

-- Ends the holds of a few reservations whose lease has run out. Their records stay, for a settlement that comes late.
local function sweep(now)
  for _, ident in ipairs(call('ZRANGEBYSCORE', LEASES, '-inf', now, 'LIMIT', 0, SWEPT)) do
    call('ZREM', LEASES, ident)
    local found = call('GET', RECORD .. ident)
    if found then
      local record = cmsgpack.unpack(found)
      give_back(record)
      keep_record(ident, record)
    end
  end
end

local now = time()
sweep(now)
