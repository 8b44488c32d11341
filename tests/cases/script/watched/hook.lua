-- A profiler sees every call.
local calls, lines = 0, 0

return {
  setup = function()
    debug.sethook(function(event)
      if event == "line" then
        lines = lines + 1
      else
        calls = calls + 1
      end
    end, "cl")
  end,
  record = function(r)
    r.x = r.x * 2
    return r
  end,
  teardown = function()
    debug.sethook()
    print(calls > 3, lines > 6)
  end,
}
