-- Decides all charges of a request in one step: everything is granted, or nothing is touched.
-- In: ident, lease, charges of {key, kind, period, limit, amount, least, lenient, ledgered, at once}.
-- Out: 1 and of each charge what is granted, left and the reset; or a refusal.

local ident, lease, charges = unpack(cmsgpack.unpack(ARGV[1]))

local earlier = call('GET', RECORD .. ident)
if earlier then
  give_back(cmsgpack.unpack(earlier))
  call('DEL', RECORD .. ident)
  call('ZREM', LEASES, ident)
end

local answer, record = {1}, {}
local function grant(key, at_once, given, left, pause)
  local size = #answer
  answer[size + 1], answer[size + 2], answer[size + 3] = given, left, ceil(pause)
  if not at_once then
    size = #record
    record[size + 1], record[size + 2], record[size + 3] = key, given, 0
  end
end

for place, charge in ipairs(charges) do
  local key, kind, period, limit, amount, least, lenient, ledgered, at_once = unpack(charge)
  if ledgered and not seeded() then
    if lenient then
      grant(key, at_once, 0, limit, 0)
    else
      refuse(place, amount, 0, SOON, 1)
    end
  else
    local c = find(key, kind, period, limit, now)
    local room = limit - c.used - c.held
    local given, left = max(amount, 0), max(room, 0)
    if given > room and not lenient then
      given = least <= left and min(given, left)
    end
    if not given then
      local need = min(amount, least)
      refuse(place, need, left, wait(c, need, room, now), 0)
    else
      if at_once then
        add(c, given)
      else
        hold(c, given)
      end
      grant(key, at_once, given, room - given, reset(c, now))
    end
  end
end

if refusal then
  return cmsgpack.pack(refusal)
end
keep(now)
if #record > 0 then
  keep_record(ident, record)
  call('ZADD', LEASES, now + lease, ident)
end
return cmsgpack.pack(answer)
