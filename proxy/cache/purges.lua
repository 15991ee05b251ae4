-- Takes in purges, each with the moment up to which it holds, then tells the mark of the last one and all that still matter.
local ROWS, MARK, EVERYTHING = '{tollway}:cache:purges', '{tollway}:cache:mark', '["","","",""]'
local SHORT = 64     -- no mark is longer
local DAY = 86400    -- seconds: no moment is so far ahead

-- told: purge, moment, purge, moment …, as text; latest and oldest: moments; stay: milliseconds
local told, mark, latest, oldest, stay, most = unpack(cmsgpack.unpack(ARGV[1]))

local size = redis.pcall('HLEN', ROWS)
if type(size) ~= 'number' or size + #told / 2 > most then
  -- Too many to be kept, or something else under their name: everything is forgotten instead, which is never wrong.
  redis.call('DEL', ROWS)
  told = {EVERYTHING, latest}
end
for place = 1, #told, 2 do
  local known = tonumber(redis.call('HGET', ROWS, told[place]) or 0) or 0
  if not (known >= tonumber(told[place + 1]) and known <= latest + DAY) then
    redis.call('HSET', ROWS, told[place], told[place + 1])
  end
end

local marked = redis.pcall('GET', MARK)
if #told > 0 or type(marked) == 'table' or (marked and #marked > SHORT) then
  redis.call('SET', MARK, mark, 'PX', stay)
  redis.call('PEXPIRE', ROWS, stay)
  marked = mark
end

local answer, rows = {marked}, redis.call('HGETALL', ROWS)
for place = 1, #rows, 2 do
  if (tonumber(rows[place + 1]) or 0) < tonumber(oldest) then
    redis.call('HDEL', ROWS, rows[place])
  else
    answer[#answer + 1], answer[#answer + 2] = rows[place], rows[place + 1]
  end
end
return answer
