-- What the database says was used. Counters that have a figure keep it. In: is this the last part?, a list of {key, seconds, amount}.

local complete, figures = unpack(cmsgpack.unpack(ARGV[1]))

for _, figure in ipairs(figures) do
  local key, seconds, amount = unpack(figure)
  call('HSETNX', key, 'u', amount)
  if seconds > 0 then
    call('EXPIRE', key, seconds)
  end
end
if complete then
  call('SET', SEEDED, 1)
  call('DEL', SEEDER)
end
return 1
