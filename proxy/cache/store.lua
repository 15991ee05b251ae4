-- Keeps a sealed answer, unless a server that evicts nothing needs the room that is left for counters: then says so.
local KEY, ROOM = '{tollway}:cache:', '{tollway}:cache:room'
local SHARE = 0.7    -- of the memory that the server may use
local FRESH = 500    -- milliseconds for which a look at that memory holds: it costs more than keeping an answer
local ENDLESS = 9007199254740991

-- Bytes for which there is room.
local function look()
  local said = redis.pcall('INFO', 'memory')
  local info = type(said) == 'string' and said or ''
  local most = tonumber(string.match(info, '\nmaxmemory:(%d+)')) or 0
  if most == 0 or not string.match(info, '\nmaxmemory_policy:noeviction') then
    return ENDLESS
  end
  return math.floor(SHARE * most - (tonumber(string.match(info, '\nused_memory:(%d+)')) or 0))
end

local key, stay, value = unpack(cmsgpack.unpack(ARGV[1]))

local known = redis.pcall('GET', ROOM)
local room = type(known) == 'string' and tonumber(known)
if not room then
  room = look()
  redis.call('SET', ROOM, string.format('%.0f', room), 'PX', FRESH)
end
if #value > room then
  redis.call('DEL', KEY .. key)
  return 'full'
end
redis.call('SET', KEY .. key, value, 'PX', stay)
if room < ENDLESS then
  redis.call('DECRBY', ROOM, #value)
end
return 'kept'
