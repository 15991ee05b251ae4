-- Ends a reservation: gives back what it holds and counts what it used, less what was spent before.
-- In: ident, again, grants of {key, kind, period, limit, ledgered, spent, used}; spent is for a store that has forgotten. Where this
-- was asked for before (again), a reservation that is not there has ended: then, or with everything else.

local ident, again, grants = unpack(cmsgpack.unpack(ARGV[1]))

local found = call('GET', RECORD .. ident)
if not found and again then
  return 0
end
local record = found and cmsgpack.unpack(found) or {}

for place, grant in ipairs(grants) do
  local key, kind, period, limit, ledgered, spent, used = unpack(grant)
  local held, before = record[place * 3 - 1] or 0, record[place * 3] or spent
  local amount = max(used, 0) - before
  local c = find(key, kind, period, limit, now)
  if held > 0 then
    hold(c, -held)
  end
  if amount ~= 0 and not (ledgered and not seeded()) then
    add(c, amount)
  end
end

keep(now)
if found then
  call('DEL', RECORD .. ident)
  call('ZREM', LEASES, ident)
end
return 1
