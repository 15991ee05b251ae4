-- Holds again what a store without memory has forgotten.
-- In: lease, reservations of {ident, grants of {key, kind, period, limit, held, spent}}.

local lease, reservations = unpack(cmsgpack.unpack(ARGV[1]))

for _, reservation in ipairs(reservations) do
  local ident, grants = unpack(reservation)
  if call('EXISTS', RECORD .. ident) == 0 then
    local record = {}
    for place, grant in ipairs(grants) do
      local key, kind, period, limit, held, spent = unpack(grant)
      hold(find(key, kind, period, limit, now), held)
      local at = place * 3 - 2
      record[at], record[at + 1], record[at + 2] = key, held, spent
    end
    keep_record(ident, record)
    call('ZADD', LEASES, now + lease, ident)
  end
end

keep(now)
return 1
