-- The secret, the mark of the last purge, and the answer of each key: false where there is none, '' for what is too large or no text,
-- 0 for what there was no room left for.
local KEY, SECRET, MARK = '{tollway}:cache:', '{tollway}:cache:secret', '{tollway}:cache:mark'
local SHORT = 64     -- no secret and no mark is longer

local limit, room, keys = unpack(cmsgpack.unpack(ARGV[1]))

local function read(key, most)
  local size = redis.pcall('STRLEN', key)
  if type(size) ~= 'number' or size > most then
    return ''
  end
  return size > 0 and redis.call('GET', key)
end

local secret = read(SECRET, SHORT) or (redis.call('EXISTS', SECRET) == 1 and '')
local answer = {secret, read(MARK, SHORT)}
for _, key in ipairs(keys) do
  if room > 0 then
    local found = read(KEY .. key, limit)
    room = room - (found and #found or 0)
    answer[#answer + 1] = found
  else
    answer[#answer + 1] = 0
  end
end
return answer
