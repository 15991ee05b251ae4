-- These reservations are still under way. In: lease, idents. Out: the places (from 1) of those that the store has forgotten.

local lease, idents = unpack(cmsgpack.unpack(ARGV[1]))

local forgotten = {}
for place, ident in ipairs(idents) do
  if call('PEXPIRE', RECORD .. ident, DAY) == 1 then
    call('ZADD', LEASES, now + lease, ident)
  else
    forgotten[#forgotten + 1] = place
  end
end
return cmsgpack.pack(forgotten)
