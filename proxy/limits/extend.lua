-- Holds more under a reservation: all of it, or nothing is touched. One that the store has forgotten is held anew with it.
-- In: ident, lease, grants of {key, kind, period, limit, ledgered, strict, held, spent, amount}.
-- Out: 1 and of each grant what is taken (-1: it was not looked at), left and the reset; or a refusal.

local ident, lease, grants = unpack(cmsgpack.unpack(ARGV[1]))

local found = call('GET', RECORD .. ident)
local record = found and cmsgpack.unpack(found) or {}
local answer = {1}

for place, grant in ipairs(grants) do
  local key, kind, period, limit, ledgered, strict, held, spent, amount = unpack(grant)
  local at, size = place * 3 - 2, #answer
  if not found then
    record[at], record[at + 1], record[at + 2] = key, held, spent
    hold(find(key, kind, period, limit, now), held)
  end
  answer[size + 1], answer[size + 2], answer[size + 3] = -1, 0, 0
  if amount > 0 and not (ledgered and not seeded()) then
    local c = find(key, kind, period, limit, now)
    local room = limit - c.used - c.held
    if amount > room and strict then
      refuse(place, amount, max(room, 0), wait(c, amount, room, now), 0)
    else
      hold(c, amount)
      record[at + 1] = record[at + 1] + amount
      answer[size + 1], answer[size + 2], answer[size + 3] = amount, room - amount, ceil(reset(c, now))
    end
  end
end

if refusal then
  return cmsgpack.pack(refusal)
end
keep(now)
keep_record(ident, record)
call('ZADD', LEASES, now + lease, ident)
return cmsgpack.pack(answer)
