return {
  batch = function(records, ctx)
    local out = {}
    local sum = 0
    for i, r in ipairs(records) do sum = sum + r.x end
    for i, r in ipairs(records) do
      r.n, r.sum, r.i, r.line = #records, sum, ctx.index, ctx.line
      if r.x == 4 then out[i] = false else out[i] = r end
    end
    return out
  end,
}
