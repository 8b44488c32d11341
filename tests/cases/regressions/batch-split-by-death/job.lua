-- How often batches with x == 7 killed their worker.
local function deaths()
  local f = io.open("deaths")
  local n = f and #f:read("a") or 0
  if f then f:close() end
  return n
end

return {batch = function(records, ctx)
  for _, r in ipairs(records) do
    if r.a == 7 and deaths() < 4 then
      local f = io.open("deaths", "a")
      f:write("x")
      f:close()
      os.execute("kill -KILL $PPID")
    end
    r.first, r.n = ctx.index, #records
  end
  return records
end}
