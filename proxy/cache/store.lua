-- Keeps a sealed answer, unless a server that evicts nothing needs the room that is left for counters: then says so.
local KEY = '{tollway}:cache:'
local SHARE = 0.7    -- of the memory that the server may use

local key, stay, value = unpack(cmsgpack.unpack(ARGV[1]))

local said = redis.pcall('INFO', 'memory')
local info = type(said) == 'string' and said or ''
local most = tonumber(string.match(info, '\nmaxmemory:(%d+)')) or 0
local used = tonumber(string.match(info, '\nused_memory:(%d+)')) or 0
if most > 0 and used + #value > SHARE * most and string.match(info, '\nmaxmemory_policy:noeviction') then
  redis.call('DEL', KEY .. key)
  return 'full'
end
redis.call('SET', KEY .. key, value, 'PX', stay)
return 'kept'
