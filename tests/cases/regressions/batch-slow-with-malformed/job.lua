-- The first batch hangs in a way that only the parent's clock ends.
return {batch = function(records, ctx)
  if ctx.index == 1 then
    local began = os.clock()
    repeat until os.clock() - began > 0.04 -- the parent is told which records are in hand
    os.execute("kill -STOP $PPID")
  end
  for _, r in ipairs(records) do
    r.first, r.n = ctx.index, #records
  end
  return records
end}
