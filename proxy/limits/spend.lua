-- Turns part of what is held into what was used, now.
-- In: ident, grants of {key, kind, period, limit, ledgered, amount}.

local ident, grants = unpack(cmsgpack.unpack(ARGV[1]))

local found = call('GET', RECORD .. ident)
local record = found and cmsgpack.unpack(found)

for place, grant in ipairs(grants) do
  local key, kind, period, limit, ledgered, amount = unpack(grant)
  if amount > 0 and not (ledgered and not seeded()) then
    local c, at = find(key, kind, period, limit, now), place * 3 - 2
    add(c, amount)
    if record then
      local freed = min(amount, record[at + 1])
      hold(c, -freed)
      record[at + 1], record[at + 2] = record[at + 1] - freed, record[at + 2] + amount
    end
  end
end

keep(now)
if record then
  keep_record(ident, record)
end
return 1
