-- What an upvalue holds is asked for each time.
local factor = 10

return {
  setup = function()
    factor = 100
  end,
  record = function(r)
    if r.x == 2 then
      r.big = true
    end
    r.x = r.x * factor
    return r
  end,
}
