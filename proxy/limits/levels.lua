-- The state of rules. In: a list of {key, kind, period, limit}. Out: of each what is used, held and the reset (money: is it known?).

local answer = {}
for _, rule in ipairs(cmsgpack.unpack(ARGV[1])) do
  local key, kind, period, limit = unpack(rule)
  local c = find(key, kind, period, limit, now)
  local size = #answer
  answer[size + 1], answer[size + 2] = c.used, c.held
  answer[size + 3] = kind == 'm' and (c.known and 1 or 0) or ceil(reset(c, now))
end
return cmsgpack.pack(answer)
